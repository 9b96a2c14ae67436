import SimplonCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes a small text so that a reader finds the old file or the whole new one, readable by its owner alone.
///
/// - Throws: `storage.full`, `dev.postgres_failed`.
func writeFile(_ text: String, to path: String, owner: ServerUser? = nil) throws(SimplonError) {
  let fresh = path + ".new"
  unlink(fresh)
  let descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
  guard descriptor >= 0 else { throw SimplonError.system("make", fresh, errno) }
  var failure: CInt = 0
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty, failure == 0 {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 { failure = errno } else { rest = rest.dropFirst(count) }
  }
  if failure == 0, let other = owner?.other, fchown(descriptor, other.user, other.group) != 0 { failure = errno }
  if failure == 0, fsync(descriptor) != 0 { failure = errno }
  close(descriptor)
  if failure == 0, rename(fresh, path) != 0 { failure = errno }
  guard failure == 0 else {
    unlink(fresh)
    throw SimplonError.system("write", path, failure)
  }
}

extension SimplonError {
  /// A system call that failed on a path: `storage.full` for a full disk or quota, else `dev.postgres_failed`.
  static func system(_ verb: String, _ path: String, _ code: CInt) -> SimplonError {
    if code == ENOSPC || code == EDQUOT { return .full(path) }
    return SimplonError(.devPostgresFailed, "cannot \(verb) \(path): \(String(cString: strerror(code)))")
  }

  /// The disk under a path is full.
  static func full(_ path: String) -> SimplonError {
    SimplonError(
      .storageFull, "the disk that holds \(path) is full",
      hint: "Make room (df -h \(path)), then start again. Nothing that was committed is lost.")
  }
}
