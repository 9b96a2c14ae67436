import Glibc
import SimplonCore

/// What commands write: results to standard output, everything else to standard error.
enum Print {
  /// Why a result was not written.
  enum Failure: Error, Equatable {
    /// Whoever read it has gone, as `head` does; nobody wants more.
    case readerGone
    /// The system's error number.
    case system(CInt)
  }

  /// A line of the result.
  static func out(_ text: some StringProtocol) throws(Failure) {
    try write(String(text) + "\n", to: 1)
  }

  /// A line of the result as JSON.
  static func out(_ json: JSON) throws(Failure) {
    // JSON escapes the old control characters itself; the others steer a terminal too.
    func escaped(_ scalar: Unicode.Scalar) -> String {
      "\\u" + [UInt8(scalar.value >> 8), UInt8(scalar.value & 0xFF)].hex
    }
    try out(isatty(1) == 1 ? replacingControls(in: json.text, escaped) : json.text)
  }

  /// A line about what is going on.
  static func note(_ text: String) { try? write(text + "\n", to: 2) }

  /// Writes all of the text.
  static func write(_ text: String, to descriptor: Int32) throws(Failure) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { buffer in Glibc.write(descriptor, buffer.baseAddress, buffer.count) }
      if count > 0 {
        bytes = bytes.dropFirst(count)
      } else if errno == EAGAIN {
        // Somebody who shares the terminal made it non-blocking.
        var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&room, 1, -1)
      } else if errno != EINTR {
        throw errno == EPIPE ? .readerGone : .system(errno)
      }
    }
  }

  /// An error with its hint, as a person reads it, or as one line of JSON.
  static func error(_ error: SimplonError, asJSON: Bool = false) {
    guard !asJSON else { return note(error.json.text) }
    note("\(paint("error:", "31")) \(clean(error.message)) \(dim("[\(clean(error.code.rawValue))]"))")
    if let hint = error.hint { note("       \(clean(hint))") }
  }

  /// Text from elsewhere, which may come from a program that nobody trusts, with a space in place of each character but
  /// the tab that would steer a terminal, begin a line of its own or turn the order of what follows.
  ///
  /// - Source: Unicode, UAX #9, section 2 (directional formatting characters).
  static func clean(_ text: String) -> String { replacingControls(in: text) { _ in " " } }

  private static func replacingControls(in text: String, _ replacement: (Unicode.Scalar) -> String) -> String {
    func steers(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.value {
      case 0x09: false
      case 0..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: true
      default: false
      }
    }
    guard text.unicodeScalars.contains(where: steers) else { return text }
    return text.unicodeScalars.map { steers($0) ? replacement($0) : String($0) }.joined()
  }

  /// A small sign for a status.
  static func mark(_ status: String) -> String {
    switch status {
    case "completed", "ok": paint("✓", "32")
    case "failed", "problem": paint("✗", "31")
    case "warning": paint("!", "33")
    case "cancelled", "skipped": paint("–", "33")
    case "running": paint("▸", "36")
    default: "·"
    }
  }

  /// Less important text.
  static func dim(_ text: String) -> String { paint(text, "2") }

  /// The text with spaces up to a width.
  static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Whether somebody watches standard error.
  static let isErrorTerminal = isatty(2) == 1

  /// Colours only on a terminal, and not where NO_COLOR is set. - Source: no-color.org
  private static let isColoured = isatty(1) == 1 && isatty(2) == 1 && getenv("NO_COLOR").map { $0.pointee == 0 } ?? true

  private static func paint(_ text: String, _ code: String) -> String {
    isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
