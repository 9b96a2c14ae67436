import SimplonCore
import Testing

/// Expects the body to throw a ``SimplonError`` of that code.
@discardableResult
func expect(
  _ code: SimplonError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> SimplonError? {
  do {
    try await body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
  } catch let error as SimplonError {
    #expect(error.code == code, "\(String(reflecting: error))", sourceLocation: sourceLocation)
    return error
  } catch {
    Issue.record(error, sourceLocation: sourceLocation)
  }
  return nil
}
