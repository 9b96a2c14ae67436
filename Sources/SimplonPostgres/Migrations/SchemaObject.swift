/// A thing that a migration makes, as far as its text says so in plain sight.
struct SchemaObject: Hashable, Sendable {
  /// Kinds that can be looked up by name.
  enum Kind: String, Sendable {
    case table, view, index, sequence, type, function
  }

  let kind: Kind
  /// As it stands in the text, such as `public.agent_runs`.
  let name: String

  /// What is there after these texts, in their order: each `create` adds, each `drop` takes away.
  ///
  /// It reads our own files, which are written in lower case with full names; what stands in strings, comments and
  /// bodies of functions is not looked at.
  static func made(by texts: [String]) -> [SchemaObject] {
    var objects = [SchemaObject]()
    for text in texts {
      for statement in words(text) {
        var words = statement[...]
        guard let verb = words.popFirst(), verb == "create" || verb == "drop" else { continue }
        while let word = words.first,
          ["or", "replace", "unique", "materialized", "unlogged", "if", "not", "exists"].contains(word)
        {
          words.removeFirst()
        }
        guard let kind = words.popFirst().flatMap(Kind.init(rawValue:)) else { continue }
        while let word = words.first, ["if", "not", "exists", "concurrently"].contains(word) { words.removeFirst() }
        guard verb == "drop" else {
          if let name = words.first {
            // An index lies in the schema of its table.
            let schema =
              words.dropFirst(2).first.flatMap { $0.split(separator: ".").first }.map(String.init) ?? "public"
            objects.append(.init(kind: kind, name: kind == .index ? "\(schema).\(name)" : name))
          }
          continue
        }
        let dropped = Set(words)
        objects.removeAll { $0.kind == kind && dropped.contains($0.name) }
      }
    }
    var seen = Set<SchemaObject>()
    return objects.filter { seen.insert($0).inserted }
  }

  /// The words of each statement, outside of parentheses, strings, comments and dollar-quoted bodies.
  private static func words(_ text: String) -> [[String]] {
    var statements = [[String]]()
    var statement = [String]()
    var word = ""
    var depth = 0
    var rest = Substring(text)
    func endWord() {
      if !word.isEmpty, depth == 0 { statement.append(word) }
      word = ""
    }
    while let character = rest.first {
      if rest.hasPrefix("--") {
        endWord()
        rest = rest.drop { !$0.isNewline }
      } else if character == "'" {
        endWord()
        rest = rest.dropFirst().drop { $0 != "'" }.dropFirst()
      } else if character == "$", let end = rest.dropFirst().firstIndex(of: "$") {
        endWord()
        let tag = rest[...end]
        let body = rest[rest.index(after: end)...]
        rest = body.firstRange(of: tag).map { body[$0.upperBound...] } ?? ""
      } else {
        rest.removeFirst()
        switch character {
        case "(":
          endWord()
          depth += 1
        case ")":
          endWord()
          depth -= 1
        case ";":
          endWord()
          if !statement.isEmpty { statements.append(statement) }
          statement = []
          depth = 0
        case ",": endWord()
        case _ where character.isWhitespace: endWord()
        default: word.append(character)
        }
      }
    }
    endWord()
    if !statement.isEmpty { statements.append(statement) }
    return statements
  }
}
