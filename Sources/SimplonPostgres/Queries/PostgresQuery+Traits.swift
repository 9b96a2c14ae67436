extension PostgresQuery {
  /// The first word, in lower case; empty when there is none.
  package var keyword: String {
    let text = sql.utf8
    let start = Self.skipSpaceAndComments(text)
    var end = start
    while end < text.endIndex, (text[end] | 0x20) >= UInt8(ascii: "a"), (text[end] | 0x20) <= UInt8(ascii: "z") {
      end = text.index(after: end)
    }
    return sql[start..<end].lowercased()
  }

  /// Whether it leaves a state behind that other callers of the connection would meet.
  var needsExclusiveConnection: Bool {
    !sql.hasPrefix("select ") && Self.sessionKeywords.contains(keyword)
  }

  /// Whether it could change data: everything but a plain read that calls nothing and makes no table.
  ///
  /// A read of a view whose definition calls a function that writes is not seen.
  var mayWrite: Bool {
    switch keyword {
    case "select", "values", "table": sql.utf8.contains(UInt8(ascii: "(")) || sql.lowercased().contains("into")
    case "show": false
    case "commit", "end", "prepare", "execute", "copy": true
    case let keyword: !Self.sessionKeywords.contains(keyword)
    }
  }

  /// Whether it can end an explicit transaction so that it is kept.
  var commits: Bool { ["commit", "end", "prepare"].contains(keyword) }

  private static let sessionKeywords: Set = [
    "abort", "begin", "close", "commit", "copy", "deallocate", "declare", "discard", "end", "execute", "fetch",
    "listen", "load", "move", "prepare", "release", "reset", "rollback", "savepoint", "set", "start", "unlisten",
  ]

  private static func skipSpaceAndComments(_ text: String.UTF8View) -> String.UTF8View.Index {
    var at = text.startIndex
    while at < text.endIndex {
      if text[at] <= 0x20 || text[at] == UInt8(ascii: ";") {
        at = text.index(after: at)
      } else if text[at...].starts(with: "--".utf8) {
        // Either ends it for PostgreSQL, so either must here: what follows would else be taken for the comment's.
        while at < text.endIndex, text[at] != UInt8(ascii: "\n"), text[at] != UInt8(ascii: "\r") {
          at = text.index(after: at)
        }
      } else if text[at...].starts(with: "/*".utf8) {
        at = endOfComment(text, from: at)
      } else {
        break
      }
    }
    return at
  }

  /// The place behind a block comment; PostgreSQL's nest.
  private static func endOfComment(_ text: String.UTF8View, from start: String.UTF8View.Index)
    -> String.UTF8View.Index
  {
    var at = start
    var depth = 0
    while at < text.endIndex {
      if text[at...].starts(with: "/*".utf8) {
        depth += 1
        at = text.index(at, offsetBy: 2)
      } else if text[at...].starts(with: "*/".utf8) {
        depth -= 1
        at = text.index(at, offsetBy: 2)
        if depth == 0 { return at }
      } else {
        at = text.index(after: at)
      }
    }
    return at
  }
}
