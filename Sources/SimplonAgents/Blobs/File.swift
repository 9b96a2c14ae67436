import CSandboxGuard
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An open descriptor that closes itself.
///
/// Every open is close-on-exec and follows no link at the path's last name.
struct File: ~Copyable {
  let descriptor: CInt
  private let purpose: String

  /// Opens by path, for a purpose as in "could not …".
  ///
  /// - Throws: `storage.full`, `storage.unavailable`.
  init(_ path: String, _ flags: CInt, mode: mode_t = 0o600, for purpose: String) throws(SimplonError) {
    try self.init(path, in: AT_FDCWD, flags, mode: mode, for: purpose)
  }

  /// Opens a name within an open folder.
  init(_ name: String, in folder: CInt, _ flags: CInt, mode: mode_t = 0o600, for purpose: String) throws(SimplonError) {
    descriptor = openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW, mode)
    self.purpose = purpose
    guard descriptor >= 0 else { throw .storage(purpose) }
  }

  /// Takes over an open descriptor.
  init(adopting descriptor: CInt, for purpose: String) {
    self.descriptor = descriptor
    self.purpose = purpose
  }

  deinit { close(descriptor) }

  /// What the file is.
  func status() throws(SimplonError) -> stat {
    var info = stat()
    guard fstat(descriptor, &info) == 0 else { throw .storage(purpose) }
    return info
  }

  /// The next bytes, at most `limit`; empty at the end.
  func read(upTo limit: Int = 256 * 1024) throws(SimplonError) -> [UInt8] {
    var number: CInt = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      repeat { count = Self.read(descriptor, buffer) } while count < 0 && errno == EINTR
      number = count < 0 ? errno : 0
      count = max(count, 0)
    }
    guard number == 0 else { throw .storage(purpose, number) }
    return bytes
  }

  private static func read(_ descriptor: CInt, _ buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
    #if canImport(Glibc)
      Glibc.read(descriptor, buffer.baseAddress, buffer.count)
    #else
      Darwin.read(descriptor, buffer.baseAddress, buffer.count)
    #endif
  }

  /// Writes all of the bytes.
  func write(_ bytes: [UInt8]) throws(SimplonError) {
    var number: CInt = 0
    bytes.withUnsafeBytes { buffer in
      var rest = buffer[...]
      while !rest.isEmpty {
        let sent = Self.write(descriptor, UnsafeRawBufferPointer(rebasing: rest))
        if sent >= 0 { rest = rest.dropFirst(sent) } else if errno != EINTR { number = errno; return }
      }
    }
    guard number == 0 else { throw .storage(purpose, number) }
  }

  private static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    #if canImport(Glibc)
      Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    #else
      Darwin.write(descriptor, bytes.baseAddress, bytes.count)
    #endif
  }

  /// Copies everything from here to the end of this file into another one, sharing the blocks where the file system can.
  func copy(to target: borrowing File) throws(SimplonError) {
    // Refused across file systems, and 0 where it does not work: what is left then goes the long way.
    while simplon_copy_range(descriptor, target.descriptor) > 0 {}
    while true {
      let bytes = try read()
      if bytes.isEmpty { return }
      try target.write(bytes)
    }
  }

  /// Returns when the contents (for a folder: its names) will survive a power failure.
  func sync() throws(SimplonError) {
    guard fsync(descriptor) == 0 else { throw .storage(purpose) }
  }

  /// The names in this folder, without `.` and `..`.
  func names() throws(SimplonError) -> [FileName] {
    let own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard own >= 0 else { throw .storage(purpose) }
    guard let listing = fdopendir(own) else {
      let number = errno
      close(own)
      throw .storage(purpose, number)
    }
    defer { closedir(listing) }
    var names = [FileName]()
    while true {
      // Nil is the end or an error, and only the number tells which.
      errno = 0
      guard let entry = readdir(listing) else {
        guard errno == 0 else { throw .storage(purpose) }
        return names
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { FileName($0) }
      }
      if name.text != ".", name.text != ".." { names.append(name) }
    }
  }

  /// Makes a folder and those above it, where they are missing.
  static func makeFolders(_ path: String, mode: mode_t, for purpose: String) throws(SimplonError) {
    var at = path.hasPrefix("/") ? "" : "."
    for name in path.split(separator: "/") {
      at += "/" + name
      guard mkdir(at, mode) == 0 || errno == EEXIST else { throw .storage(purpose) }
    }
  }
}

/// A name as the file system has it: any bytes but NUL and `/`.
struct FileName: Sendable {
  /// The bytes with a NUL at the end, for system calls.
  let bytes: [CChar]
  /// The name as text; nil when it is not UTF-8.
  let text: String?

  init(_ pointer: UnsafePointer<CChar>) {
    bytes = Array(UnsafeBufferPointer(start: pointer, count: strlen(pointer) + 1))
    text = String(validating: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
