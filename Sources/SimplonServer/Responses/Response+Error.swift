import HTTPTypes
import Hummingbird
import SimplonCore

extension Response {
  /// The answer for an error: `{code, message, details, hint}`, under `/functions/v1` with `error` too, which is what
  /// Supabase's clients read there.
  init(_ error: SimplonError, forFunctions: Bool) {
    var body: [String: JSON] = [
      "code": .string(error.code.rawValue), "message": .string(error.message), "details": error.publicDetails ?? .null,
      "hint": error.hint.map(JSON.string) ?? .null,
    ]
    if forFunctions { body["error"] = .string(error.message) }
    self = .json(.object(body), status: HTTPResponse.Status(code: error.code.status))
    switch error.retry {
    case .after(let wait): headers[.retryAfter] = String(max(1, (wait.milliseconds + 999) / 1000))
    case .backoff, .never: if [429, 503].contains(error.code.status) { headers[.retryAfter] = "1" }
    }
    if error.code.status == 401 { headers[.wwwAuthenticate] = "Bearer" }
  }
}

extension SimplonError {
  /// What a caller may know; of the database's errors (names of constraints, SQLSTATE) nothing.
  fileprivate var publicDetails: JSON? { code.rawValue.hasPrefix("database.") ? nil : details }

  /// The refusal of a caller that asks too often.
  static func rateLimited(_ who: String, wait: Duration) -> SimplonError {
    SimplonError(
      .requestRateLimited, "too many requests from \(who)", hint: "wait as long as `Retry-After` says, in seconds",
      retry: .after(wait))
  }
}
