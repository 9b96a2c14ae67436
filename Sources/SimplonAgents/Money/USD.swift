/// Amounts of US dollars as exact decimal text: PostgreSQL alone computes with them.
package enum USD {
  /// Whether the text is one: up to nine digits and twelve decimals, such as `2.50`, with neither sign nor exponent.
  package static func isAmount(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, zip(parts, [9, 12]).allSatisfy({ isDigits($0, most: $1) }) else { return false }
    // JSON has no number with a zero before its digits.
    return parts[0] == "0" || !parts[0].hasPrefix("0")
  }

  private static func isDigits(_ part: Substring, most: Int) -> Bool {
    (1...most).contains(part.utf8.count) && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }
}
