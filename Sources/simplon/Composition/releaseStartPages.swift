#if canImport(Glibc)
  import Glibc

  /// Gives the memory back into which the start has mapped the program's own code.
  ///
  /// Starting touches parts of the program that serving never does, and the kernel maps sixteen pages for each that is
  /// touched; what is needed again comes back from the page cache. Pages that were written to stay.
  /// - Source: madvise(2), MADV_DONTNEED: a private mapping of a file is read again from the file; proc(5), maps.
  func releaseStartPages() {
    guard let program = realpath("/proc/self/exe", nil), let maps = fopen("/proc/self/maps", "re") else { return }
    defer {
      free(program)
      fclose(maps)
    }
    let path = String(cString: program)
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, maps) > 0, let text = line.map({ String(cString: $0) }) {
      // 55d0c0000000-55d0c3000000 r-xp 00000000 fe:00 123   /usr/bin/simplon
      let fields = text.split(separator: " ")
      let bounds = (fields.first ?? "").split(separator: "-").compactMap { UInt($0, radix: 16) }
      guard bounds.count == 2, bounds[0] < bounds[1], fields.count > 5, fields[1] == "r-xp", text.hasSuffix(path + "\n")
      else { continue }
      madvise(UnsafeMutableRawPointer(bitPattern: bounds[0]), Int(bounds[1] - bounds[0]), MADV_DONTNEED)
    }
  }
#else
  func releaseStartPages() {}
#endif
