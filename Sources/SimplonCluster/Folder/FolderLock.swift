import SimplonCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The right to work in a folder, held by at most one process at a time.
///
/// The kernel gives it back when the process ends, however it ends; programs that we start do not inherit it.
struct FolderLock: Sendable {
  private let descriptor: CInt

  /// Takes the folder.
  ///
  /// - Parameter folder: a folder that exists.
  /// - Throws: `dev.locked` with the process that holds it.
  /// - Source: flock(2).
  init(_ folder: String) throws(SimplonError) {
    let path = "\(folder)/lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw SimplonError.system("open", path, errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      var bytes = [UInt8](repeating: 0, count: 20)
      let count = max(0, read(descriptor, &bytes, bytes.count))
      close(descriptor)
      let holder = String(decoding: bytes[..<count], as: UTF8.self)
      throw SimplonError(
        .devLocked, "another Simplon\(holder.isEmpty ? "" : " (process \(holder))") works in \(folder)",
        hint: "Stop that one, or choose another folder with --data.")
    }
    let holder = Array(String(getpid()).utf8)
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, holder, holder.count, 0) == holder.count else {
      let error = SimplonError.system("write", path, errno)
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// Gives the folder back, also where a program that is being started holds a copy of the descriptor for a moment.
  func release() {
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}
