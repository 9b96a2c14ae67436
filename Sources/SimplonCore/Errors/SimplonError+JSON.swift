extension SimplonError {
  /// The shape every door of ours answers with: `{code, message, details, hint}`, absent parts as null.
  public var json: JSON {
    [
      "code": .string(code.rawValue), "message": .string(message), "details": details ?? .null,
      "hint": hint.map(JSON.string) ?? .null,
    ]
  }

  /// Wraps whatever was thrown: an error of ours stays itself, anything else is a fault of ours whose text stays in the
  /// log.
  public init(wrapping error: any Error, file: String = #fileID, line: Int = #line) {
    self =
      error as? SimplonError
      ?? SimplonError(
        .serverInternal, "something went wrong inside the server", hint: "The log has it under the request's id.",
        cause: error, file: file, line: line)
  }
}
