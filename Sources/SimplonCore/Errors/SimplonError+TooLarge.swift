extension SimplonError {
  /// `request.too_large`, with the field and the limit among its details.
  ///
  /// - Parameters:
  ///   - field: what is too large.
  ///   - bytes: how many it has; nil where nobody has counted them to the end.
  ///   - limit: how many it may have.
  /// - Returns: the error.
  package static func tooLarge(_ field: String, _ bytes: Int?, limit: Int) -> SimplonError {
    SimplonError(
      .requestTooLarge, "\"\(field)\" has \(bytes.map { "\($0)" } ?? "too many") bytes, and the limit is \(limit)",
      details: ["field": .string(field), "limit_bytes": .integer(limit)])
  }
}
