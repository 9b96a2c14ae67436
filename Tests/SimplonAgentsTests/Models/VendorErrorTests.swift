import SimplonCore
import Testing

@testable import SimplonAgents

/// What the vendors' refusals become.
struct VendorErrorTests {
  /// Whose table reads an answer.
  enum Table: String, CaseIterable { case anthropic, chatCompletions }

  private func error(
    _ table: Table, _ status: Int, _ body: String, headers: [String: String] = [:], key: ModelKey? = nil
  ) -> SimplonError {
    let answer = ModelAnswer(status: status, headers: headers, body: Array(body.utf8))
    return switch table {
    case .anthropic: VendorError.anthropic(answer, hiding: key)
    case .chatCompletions: VendorError.chatCompletions(answer, hiding: key)
    }
  }

  @Test(
    arguments: [
      (400, "invalid_request_error", SimplonError.Code.modelRequest), (401, "authentication_error", .modelAuth),
      (402, "billing_error", .modelSpendLimit), (403, "permission_error", .modelAuth),
      (404, "not_found_error", .modelRequest), (409, "conflict_error", .modelUnavailable),
      (413, "request_too_large", .modelContextFull), (429, "rate_limit_error", .modelRateLimited),
      (500, "api_error", .modelUnavailable), (504, "timeout_error", .modelTimeout),
      (529, "overloaded_error", .modelOverloaded), (503, "", .modelOverloaded), (502, "novel_error", .modelUnavailable),
      (418, "", .modelRequest), (301, "", .modelRequest), (200, "", .modelUnavailable),
    ] as [(Int, String, SimplonError.Code)])
  func `Anthropic's errors are known by their type, else by the status`(
    _ status: Int, _ type: String, _ code: SimplonError.Code
  ) {
    let error = error(.anthropic, status, #"{"type":"error","error":{"type":"\#(type)","message":"Sorry"}}"#)
    #expect(error.code == code)
    let passes: Set<SimplonError.Code> = [.modelUnavailable, .modelTimeout, .modelRateLimited, .modelOverloaded]
    let retry: SimplonError.Retry = passes.contains(code) ? .backoff : .never
    #expect(error.retry == retry)
  }

  @Test(
    arguments: [
      (400, #"{"error":{"message":"m","type":"invalid_request_error","code":null}}"#, SimplonError.Code.modelRequest),
      (400, #"{"error":{"message":"m","code":"context_length_exceeded"}}"#, .modelContextFull),
      (400, #"{"error":{"code":400,"message":"m","type":"exceed_context_size_error"}}"#, .modelContextFull),
      (400, #"{"object":"error","message":"This model's maximum context length is 9","code":400}"#, .modelContextFull),
      (400, #"{"error":{"message":"m","code":"content_filter"}}"#, .modelRefused),
      (401, #"{"error":{"message":"m","code":"invalid_api_key"}}"#, .modelAuth),
      (404, #"{"error":{"message":"m","code":"model_not_found"}}"#, .modelRequest),
      (404, #"{"detail":"Not Found"}"#, .modelRequest), (429, #"{"error":{"message":"m"}}"#, .modelRateLimited),
      (429, #"{"error":{"message":"maximum context length","type":"tokens"}}"#, .modelRateLimited),
      (429, #"{"error":{"message":"m","type":"insufficient_quota"}}"#, .modelSpendLimit),
      (500, #"{"error":"m"}"#, .modelUnavailable), (503, "<html>m</html>", .modelOverloaded),
      (502, "bad gateway", .modelUnavailable), (504, "", .modelTimeout), (422, "[]", .modelRequest),
    ] as [(Int, String, SimplonError.Code)])
  func `errors of compatible servers are known in whatever form they come`(
    _ status: Int, _ body: String, _ code: SimplonError.Code
  ) {
    let error = error(.chatCompletions, status, body)
    #expect(error.code == code)
    #expect(!error.message.contains("<"))
  }

  @Test(arguments: ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
  func `a limit of spending is final, whatever the headers say`(_ reason: String) {
    let error = error(
      .anthropic, 429,
      #"{"error":{"type":"rate_limit_error","message":"m","details":{"error_code":"\#(reason)"}}}"#,
      headers: ["x-should-retry": "true", "retry-after": "1"])
    #expect(error.code == .modelSpendLimit)
    #expect(error.retry == .never)
    #expect(error.details?["reason"]?.string == reason)
  }

  @Test func `a transcript that is too long stays so, whatever the headers say`() {
    for table in Table.allCases {
      let error = error(table, 413, "", headers: ["x-should-retry": "true", "retry-after": "1"])
      #expect(error.code == .modelContextFull && error.retry == .never)
    }
  }

  @Test func `a transcript that is too long is told from other mistakes`() {
    let body = #"{"error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#
    #expect(error(.anthropic, 400, body).code == .modelContextFull)
  }

  @Test(
    arguments: [
      (["retry-after-ms": "20", "retry-after": "7"], SimplonError.Retry.after(.milliseconds(20))),
      (["retry-after": "7"], .after(.seconds(7))), (["retry-after": "0.5"], .after(.milliseconds(500))),
      (["retry-after": "86400"], .after(.seconds(120))), (["retry-after": "1e400"], .after(.seconds(120))),
      (["retry-after": "0"], .backoff), (["retry-after": "-1"], .backoff), (["retry-after": "nan"], .backoff),
      (["retry-after": "soon"], .backoff),
      (
        ["retry-after": "Sun, 06 Nov 1994 08:49:47 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"], .after(.seconds(10))
      ),
      (["retry-after": "Sun, 06 Nov 1994 08:49:47 GMT"], .backoff), (["x-should-retry": "false"], .never),
      (["x-should-retry": "False", "retry-after": "7"], .never),
      (["x-should-retry": "true", "retry-after": "7"], .after(.seconds(7))), ([:], .backoff),
    ] as [([String: String], SimplonError.Retry)])
  func `the vendor says when to come back, within two minutes`(
    _ headers: [String: String], _ retry: SimplonError.Retry
  ) {
    for table in Table.allCases {
      #expect(error(table, 429, "", headers: headers).retry == retry)
      #expect(error(table, 500, "", headers: headers).retry == retry)
    }
  }

  @Test func `a mistake of ours is repeated only when the vendor asks for it`() {
    #expect(error(.anthropic, 400, "").retry == .never)
    #expect(error(.anthropic, 400, "", headers: ["retry-after": "7"]).retry == .never)
    #expect(error(.anthropic, 400, "", headers: ["x-should-retry": "true"]).retry == .backoff)
  }

  @Test(arguments: Table.allCases)
  func `the vendor's words are cut, and hold neither the key nor what steers a terminal`(_ table: Table) throws {
    let key = try ModelKey("sk-secret-1234")
    let long = String(repeating: "ü", count: 9000)
    let body = #"{"error":{"type":"x","message":"Bad\u001b[2J \n\u202e\#(key.text) \#(long)"}}"#
    let error = error(table, 400, body, key: key)
    #expect(error.message.hasPrefix("the model's server refuses the request: Bad [2J … üü"))
    #expect(error.message.utf8.count < 560)
    #expect(!error.debugDescription.contains("secret"))
    // Of a key that is refused a part may stand there, so nothing is told.
    let refused = self.error(table, 401, #"{"error":{"message":"Incorrect key sk-se***34"}}"#, key: key)
    #expect(refused.code == .modelAuth)
    #expect(refused.message == "the model's server refuses the key")
    #expect("\(key)" == "…" && String(reflecting: key) == "…")
  }

  @Test(arguments: ["", "a b", "a\nb", "ü"]) func `a key that no header can carry is refused`(_ text: String) {
    let error = #expect(throws: SimplonError.self) { try ModelKey(text) }
    #expect(error?.code == .configInvalid)
  }

  @Test(
    arguments: [
      ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
      ("Tue, 29 Feb 2000 23:59:60 GMT", 951_868_800), ("Sat, 21 Nov 2026 09:53:00 GMT", 1_795_254_780),
      ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 08:49:37 CET", nil),
      ("Sun, 06 Nov 1994 8:49 GMT", nil),
      ("Sun, -6 Nov 1994 08:49:37 GMT", nil), ("", nil),
    ] as [(String, Int?)])
  func `a date of HTTP is read`(_ text: String, _ seconds: Int?) { #expect(HTTPDate.seconds(text) == seconds) }
}
