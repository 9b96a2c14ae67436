import SimplonCore

/// Errors of OpenAI and of servers that are compatible with it: `{"error":{"message","type","param","code"}}`, or
/// something like it.
///
/// - Source: OpenAI, "Error codes"; vLLM (no `error` around it), llama.cpp (`exceed_context_size_error`), Ollama and
///   FastAPI (a bare text); gateways, which pass on the types of Anthropic.
extension VendorError {
  /// The error for an answer that is none of events.
  static func chatCompletions(_ answer: ModelAnswer, hiding key: ModelKey?) -> SimplonError {
    var error = VendorError(status: answer.status)
    if let json = try? JSON(parsing: answer.body) {
      error = read(json, status: answer.status)
    } else if let text = String(validating: answer.body, as: UTF8.self), !text.contains("<") {
      error.message = text
    }
    error.requestID = answer.headers["x-request-id"]
    return error.error(error.chatCompletionsCode, headers: answer.headers, hiding: key)
  }

  /// The error for a chunk that is one, which comes after a status of 200.
  static func chatCompletions(_ json: JSON, hiding key: ModelKey?) -> SimplonError {
    let error = read(json, status: 200)
    return error.error(error.chatCompletionsCode, headers: [:], hiding: key)
  }

  private static func read(_ json: JSON, status: Int) -> VendorError {
    let error = json["error"]?.object == nil ? json : json["error"] ?? .null
    let words = error["message"] ?? error["error"] ?? error["detail"]
    // A gateway says in a stream which status it would have sent.
    let code = error["code"]?.integer.flatMap { (400..<600).contains($0) ? $0 : nil }
    return VendorError(
      status: status == 200 ? code ?? status : status, type: error["type"]?.string ?? "",
      reason: error["code"]?.string ?? "", message: words?.string ?? "")
  }

  private var chatCompletionsCode: SimplonError.Code {
    for name in [reason, type] {
      switch name {
      case "context_length_exceeded", "exceed_context_size_error", "request_too_large": return .modelContextFull
      case "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error":
        return .modelSpendLimit
      case "content_policy_violation", "content_filter": return .modelRefused
      case "invalid_api_key", "authentication_error", "permission_error": return .modelAuth
      case "rate_limit_exceeded", "rate_limit_error": return .modelRateLimited
      case "overloaded_error": return .modelOverloaded
      case "timeout_error": return .modelTimeout
      case "model_not_found", "not_found_error": return .modelRequest
      default: continue
      }
    }
    return status != 429 && saysTooLong ? .modelContextFull : Self.code(status: status)
  }
}
