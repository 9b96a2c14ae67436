import SimplonCore

/// What lies beneath an error when a request had been sent and no whole reply came: it may be on the vendor's bill.
struct BrokenReply: Error {
  /// What the vendor had said of it so far, if anything.
  let usage: TokenUsage?
  /// What else lies beneath.
  let cause: (any Error)?
}

extension SimplonError {
  /// The error of a request that may be on the bill.
  func broken(_ usage: TokenUsage? = nil) -> SimplonError {
    var error = self
    let broken = cause as? BrokenReply
    error.cause = BrokenReply(usage: usage ?? broken?.usage, cause: broken == nil ? cause : broken?.cause)
    return error
  }

  /// The error with what the vendor had said so far, where the request may be on the bill.
  func after(_ usage: TokenUsage?) -> SimplonError { cause is BrokenReply ? broken(usage) : self }
}
