/// What every room of Simplon throws: a stable code, a sentence for the person who meets it, and what to do next.
///
/// `description` is safe to show to a caller: it never holds a row, SQL text or a token. `debugDescription` adds the
/// cause and the place, and belongs in a log alone.
public struct SimplonError: Error, Sendable {
  /// Whether the same call can succeed later, unchanged.
  public enum Retry: Hashable, Sendable {
    /// It fails the same way every time.
    case never
    /// It may succeed after this time; doors say so as `Retry-After`.
    case after(Duration)
    /// It may succeed soon; wait longer after each failure.
    case backoff
  }

  /// The stable name of what went wrong; see ``Code``.
  public var code: Code
  /// What went wrong, with which value.
  public var message: String
  /// What to do next, with a command where there is one.
  public var hint: String?
  /// Facts a program can use, such as the name of the field.
  public var details: JSON?
  /// Whether to try again.
  public var retry: Retry
  /// What lies beneath; for the log alone.
  public var cause: (any Error)?
  /// Where it was thrown; for the log alone.
  public var place: String

  /// Makes an error; the place of the call is recorded.
  ///
  /// - Parameters:
  ///   - code: one of the registry's codes.
  ///   - message: what went wrong, with which value; safe to show.
  ///   - hint: what to do next.
  ///   - details: facts for programs.
  ///   - retry: whether the same call can succeed later.
  ///   - cause: the error beneath.
  ///   - file: filled in by the compiler.
  ///   - line: filled in by the compiler.
  public init(
    _ code: Code, _ message: String, hint: String? = nil, details: JSON? = nil, retry: Retry = .never,
    cause: (any Error)? = nil, file: String = #fileID, line: Int = #line
  ) {
    self.code = code
    self.message = message
    self.hint = hint
    self.details = details
    self.retry = retry
    self.cause = cause
    self.place = "\(file):\(line)"
  }
}

extension SimplonError: CustomStringConvertible, CustomDebugStringConvertible {
  /// The code and the sentence; safe to show.
  public var description: String { "\(code.rawValue): \(message)" }

  /// Everything, the cause and the place included; for the log.
  public var debugDescription: String {
    let below = cause.map { " <- \(String(reflecting: $0))" } ?? ""
    return "\(description) [\(place)]\(below)"
  }
}
