import Crypto
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension WorkFolder {
  /// What the step left, and what was left out of it.
  struct Captured {
    var layer = LayerManifest()
    /// Sentences for the log about sockets, pipes, devices and names that are no text.
    var warnings = [String]()
  }

  /// Compares the folder with what it held at first and stores what is new.
  ///
  /// Goes by descriptors from name to name and follows no link, whatever the tool left. Contents are compared by hash;
  /// sizes and times prove nothing. To be called when no process of the tool is left.
  /// - Throws: `tool.limit` beyond the limits; `storage.full`, `storage.unavailable`.
  func capture(since view: LayerView, limits: SandboxLimits) throws(SimplonError) -> Captured {
    var walk = Walk(folder: self, view: view, limits: limits)
    // A tool of our own user may have closed even this one; that must not look like a fault of the machine.
    chmod(path, 0o700)
    try walk.enter(File(path, O_RDONLY | O_DIRECTORY, for: "read a step's files"), nil)
    for path in view.entries.keys where !walk.seen.contains(path) { walk.captured.layer.entries[path] = .deleted }
    return walk.captured
  }
}

private struct Walk {
  let folder: WorkFolder
  let view: LayerView
  let limits: SandboxLimits
  var captured = WorkFolder.Captured()
  var seen = Set<LayerPath>()
  var bytes = 0

  init(folder: WorkFolder, view: LayerView, limits: SandboxLimits) {
    self.folder = folder
    self.view = view
    self.limits = limits
  }

  mutating func enter(_ directory: borrowing File, _ place: LayerPath?) throws(SimplonError) {
    for name in try directory.names() {
      guard let text = name.text, let path = try? LayerPath(place.map { "\($0.text)/\(text)" } ?? text) else {
        warn("a file was left out: its name is no text, or too long or too deep", in: place)
        continue
      }
      var info = stat()
      // A file that cannot be seen must not count as one that the tool removed.
      guard fstatat(directory.descriptor, name.bytes, &info, AT_SYMLINK_NOFOLLOW) == 0 else {
        throw .storage("read a step's files")
      }
      let mode = Int(info.st_mode & 0o777)
      switch info.st_mode & S_IFMT {
      case S_IFDIR:
        try note(.directory(mode: mode), at: path)
        // Where we are the tool's own user, a folder or file may be closed to us; it is ours to open.
        if mode & 0o500 != 0o500 { fchmodat(directory.descriptor, name.bytes, info.st_mode | 0o700, 0) }
        try enter(File(text, in: directory.descriptor, O_RDONLY | O_DIRECTORY, for: "read a step's files"), path)
      case S_IFLNK:
        guard let target = Self.target(of: name, in: directory.descriptor) else {
          warn("a link was left out: its target is no text", in: place)
          continue
        }
        try note(.symlink(target: target), at: path)
      case S_IFREG:
        if mode & 0o400 == 0 { fchmodat(directory.descriptor, name.bytes, info.st_mode | 0o400, 0) }
        let file = try File(text, in: directory.descriptor, O_RDONLY | O_NONBLOCK, for: "read a step's files")
        try note(.file(mode: mode, blob: keep(file, at: path)), at: path)
      default: warn("a socket, pipe or device was left out", in: place)
      }
    }
  }

  private mutating func note(_ entry: LayerEntry, at path: LayerPath) throws(SimplonError) {
    seen.insert(path)
    guard seen.count <= limits.workFiles else {
      throw SimplonError(.toolLimit, "the step left more than \(limits.workFiles) files")
    }
    if view.entries[path] != entry { captured.layer.entries[path] = entry }
  }

  /// The file's content as a blob, stored unless it is what was there before.
  private mutating func keep(_ file: borrowing File, at path: LayerPath) throws(SimplonError) -> Blob {
    let size = try Int(file.status().st_size)
    guard size <= limits.workBytes - bytes else {
      throw SimplonError(.toolLimit, "the step left more than \(limits.workBytes) bytes of files")
    }
    bytes += size
    if case .file(_, let before)? = view.entries[path], before.size == size {
      var hash = SHA256()
      while true {
        let more = try file.read()
        if more.isEmpty { break }
        hash.update(data: more)
      }
      if hash.finalize().hex == before.sha256 { return before }
      lseek(file.descriptor, 0, SEEK_SET)
    }
    return try folder.blobs.store(file, for: folder.user)
  }

  private mutating func warn(_ what: String, in place: LayerPath?) {
    guard captured.warnings.count < 100 else { return }
    captured.warnings.append("\(what) (in \(place.map { "\"\($0.text)\"" } ?? "the work folder"))")
  }

  private static func target(of name: FileName, in folder: CInt) -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlinkat(folder, name.bytes, &buffer, buffer.count)
    return count > 0 ? String(validating: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
  }
}
