import SimplonCore

/// Anthropic's errors: `{"type":"error","error":{"type","message","details":{"error_code"}},"request_id"}`.
///
/// - Source: Anthropic, "Errors", and the types of its SDK 2.11; the two codes of a 429 that is final: its SDK's types.
extension VendorError {
  /// The error for an answer that is none of events.
  static func anthropic(_ answer: ModelAnswer, hiding key: ModelKey?) -> SimplonError {
    let json = (try? JSON(parsing: answer.body)) ?? .null
    var error = read(json, status: answer.status)
    error.requestID = error.requestID ?? answer.headers["request-id"]
    return error.error(error.anthropicCode, headers: answer.headers, hiding: key)
  }

  /// The error for an `error` event, which comes after a status of 200.
  static func anthropic(_ json: JSON, hiding key: ModelKey?) -> SimplonError {
    let error = read(json, status: 200)
    return error.error(error.anthropicCode, headers: [:], hiding: key)
  }

  private static func read(_ json: JSON, status: Int) -> VendorError {
    let error = json["error"] ?? .null
    return VendorError(
      status: status, type: error["type"]?.string ?? "", reason: error["details"]?["error_code"]?.string ?? "",
      message: error["message"]?.string ?? error.string ?? "", requestID: json["request_id"]?.string)
  }

  private var anthropicCode: SimplonError.Code {
    if ["enforced_spend_limit_reached", "contract_spend_limit_reached"].contains(reason) { return .modelSpendLimit }
    switch type {
    case "invalid_request_error": return saysTooLong ? .modelContextFull : .modelRequest
    case "request_too_large": return .modelContextFull
    case "authentication_error", "permission_error": return .modelAuth
    case "billing_error": return .modelSpendLimit
    case "not_found_error": return .modelRequest
    case "rate_limit_error": return .modelRateLimited
    case "overloaded_error": return .modelOverloaded
    case "timeout_error": return .modelTimeout
    case "api_error": return .modelUnavailable
    default: return Self.code(status: status)
    }
  }
}
