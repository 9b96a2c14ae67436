import SimplonCore

/// What one check of an installation has found.
struct Finding: Hashable, Sendable {
  /// What is looked at.
  enum Check: String, CaseIterable, Sendable {
    case configuration, programs, database, version, clock, slots, login, migrations, tables, transactions, pooler
    case keys, token, sandbox, model, disk
  }

  /// How it stands.
  enum Status: String, Sendable {
    case ok
    /// It works, but not well, or not for long.
    case warning
    case problem
    /// It was not looked at, or there is nothing to look at.
    case skipped
  }

  let check: Check
  let status: Status
  /// What was found; it holds no secret, no token and no row.
  let message: String
  let code: SimplonError.Code?
  /// What to do, with a command where there is one.
  let hint: String?

  init(_ check: Check, _ status: Status, _ message: String, _ code: SimplonError.Code? = nil, hint: String? = nil) {
    self.check = check
    self.status = status
    self.message = message
    self.code = code
    self.hint = hint
  }

  /// What an error says.
  init(_ check: Check, _ error: SimplonError, _ status: Status = .problem, hint: String? = nil) {
    let hint = hint ?? error.hint ?? "docs/errors.md says what \(error.code.rawValue) is."
    self.init(check, status, error.message, error.code, hint: hint)
  }

  /// What several checks say that were not made, for one reason.
  static func skipped(_ checks: [Check], _ reason: String) -> [Finding] {
    checks.map { Finding($0, .skipped, reason) }
  }

  /// `{check, status, code?, message, hint}`.
  var json: JSON {
    var members: [String: JSON] = [
      "check": .string(check.rawValue), "status": .string(status.rawValue), "message": .string(message),
      "hint": hint.map { .string($0) } ?? .null,
    ]
    members["code"] = code.map { .string($0.rawValue) }
    return .object(members)
  }

  /// Shows it to a person: one line, and what to do under it.
  func show() throws(Print.Failure) {
    let code = code.map { " " + Print.dim("[\($0.rawValue)]") } ?? ""
    let place = "\(Print.padded(check.rawValue, to: 13)) \(Print.padded(status.rawValue, to: 7))"
    try Print.out("\(Print.mark(status.rawValue)) \(place) \(Print.clean(message))\(code)")
    for line in hint?.split(separator: "\n") ?? [] {
      try Print.out(String(repeating: " ", count: 24) + Print.clean(String(line)))
    }
  }
}
