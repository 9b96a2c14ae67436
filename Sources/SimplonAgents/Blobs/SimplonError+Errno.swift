import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension SimplonError {
  /// The error for a system call on our own files that failed while doing something, as in "could not …".
  ///
  /// - Source: errno(3)
  static func storage(_ doing: String, _ number: CInt = errno) -> SimplonError {
    switch number {
    case ENOSPC, EDQUOT:
      SimplonError(
        .storageFull, "could not \(doing): the disk is full", hint: "free some space; the work goes on then",
        retry: .backoff)
    default:
      SimplonError(
        .storageUnavailable, "could not \(doing): \(String(cString: strerror(number)))", retry: .backoff)
    }
  }
}
