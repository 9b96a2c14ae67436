import SimplonCore
import Yams

extension JSON {
  /// Reads one YAML 1.2 document by the core schema: `no`, `on`, dates and `1:30` are strings, `0o17` and `0x1F` are
  /// integers, and numbers keep their digits.
  ///
  /// Refused are anchors, aliases, merge keys, tags (a `!!str` that changes nothing is not seen), keys that are no
  /// scalars or stand twice, a second document, infinities, NaN and U+0000; a member's name is the key's text.
  /// - Throws: `plan.invalid` with the line, also in `details.line`; `plan.too_large` for deep nesting.
  /// - Source: YAML 1.2.2, section 10.3, "Core Schema".
  init(yaml text: String) throws(SimplonError) {
    do {
      // Yams expands aliases while it reads and hashes keys with all that is in them, which a few lines of text can
      // make last for ever. With every `&` made a `*` no anchor can be, and each anchor or alias is an error with a line.
      if text.utf8.contains(UInt8(ascii: "&")) {
        let probe = text.utf8.map { $0 == UInt8(ascii: "&") ? UInt8(ascii: "*") : $0 }
        _ = try Self.node(String(decoding: probe, as: UTF8.self))
      }
      guard let node = try Self.node(text) else { throw SimplonError(.planInvalid, "the plan is empty") }
      self = try JSON(node, level: 1)
    } catch let error as SimplonError {
      throw error
    } catch let error as YamlError {
      throw SimplonError(yaml: error)
    } catch {
      throw SimplonError(.planInvalid, "the YAML cannot be read", cause: error)
    }
  }

  private static func node(_ text: String) throws -> Node? {
    // The basic resolver leaves every plain scalar as its text; the core schema is below.
    try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
  }

  private init(_ node: Node, level: Int) throws(SimplonError) {
    guard level <= SizeLimit.levels else {
      throw SimplonError(.planTooLarge, "line \(node.line): it nests deeper than \(SizeLimit.levels) levels")
    }
    switch node {
    case .scalar(let scalar):
      let isPlain = scalar.style == .plain
      guard scalar.tag.rawValue.isEmpty || (!isPlain && scalar.tag.rawValue == Tag.Name.str.rawValue) else {
        throw refused("a tag", node)
      }
      guard !scalar.string.utf8.contains(0) else { throw refused("U+0000", node) }
      self = isPlain ? try JSON(plain: scalar.string, node) : .string(scalar.string)
    case .sequence(let sequence):
      guard sequence.tag.rawValue.isEmpty else { throw refused("a tag", node) }
      var items = [JSON]()
      for item in sequence { items.append(try JSON(item, level: level + 1)) }
      self = .array(items)
    case .mapping(let mapping):
      guard mapping.tag.rawValue.isEmpty else { throw refused("a tag", node) }
      var members = [String: JSON]()
      for (key, value) in mapping {
        let name = try JSON.name(key)
        guard members.updateValue(try JSON(value, level: level + 1), forKey: name) == nil else {
          throw SimplonError(yaml: "the key \"\(name.prefix(64))\" stands twice", line: key.line)
        }
      }
      self = .object(members)
    case .alias: throw refused("an alias", node)
    }
  }

  private static func name(_ key: Node) throws(SimplonError) -> String {
    guard case .scalar(let scalar) = key else { throw refused("a key that is no text", key) }
    // Looking for keys that stand twice has resolved the tag of a plain key to `str`.
    guard ["", Tag.Name.str.rawValue].contains(scalar.tag.rawValue) else { throw refused("a tag", key) }
    guard scalar.style != .plain || scalar.string != "<<" else { throw refused("a merge key", key) }
    guard !scalar.string.utf8.contains(0) else { throw refused("U+0000", key) }
    return scalar.string
  }

  private init(plain text: String, _ node: Node) throws(SimplonError) {
    switch text {
    case "", "~", "null", "Null", "NULL": self = .null
    case "true", "True", "TRUE": self = true
    case "false", "False", "FALSE": self = false
    case ".nan", ".NaN", ".NAN": throw refused("NaN", node)
    default:
      let unsigned = text.utf8.first.map { "+-".utf8.contains($0) } == true ? text.dropFirst() : text[...]
      if [".inf", ".Inf", ".INF"].contains(unsigned) { throw refused("an infinity", node) }
      guard let radix = radix(of: text) else {
        self = decimal(text).map { .number($0) } ?? .string(text)
        return
      }
      guard let integer = UInt64(text.dropFirst(2), radix: radix) else {
        throw refused("an integer of more than 64 bits", node)
      }
      self = .integer(integer)
    }
  }
}

/// 8 for `0o17`, 16 for `0x1F`, else nil.
private func radix(of text: String) -> Int? {
  let digits = text.utf8.dropFirst(2)
  if digits.isEmpty { return nil }
  if text.hasPrefix("0o"), digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }) { return 8 }
  if text.hasPrefix("0x"), digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) { return 16 }
  return nil
}

/// A decimal number of the core schema as JSON writes it, or nil: `+07.` becomes `7`, `.5` becomes `0.5`.
private func decimal(_ text: String) -> String? {
  let rest = text.utf8.first.map { "+-".utf8.contains($0) } == true ? text.utf8.dropFirst() : text.utf8[...]
  let whole = rest.prefix(while: \.isDigit)
  var tail = rest.dropFirst(whole.count)
  var fraction = tail.prefix(0)
  if tail.first == UInt8(ascii: ".") {
    fraction = tail.dropFirst().prefix(while: \.isDigit)
    tail = tail.dropFirst(1 + fraction.count)
  }
  guard !(whole.isEmpty && fraction.isEmpty), rest.count <= 1000 else { return nil }
  let sign = text.hasPrefix("-") ? "-" : ""
  let integer = whole.drop { $0 == UInt8(ascii: "0") }
  let decimals = fraction.isEmpty ? "" : ".\(Substring(fraction))"
  let json = "\(sign)\(integer.isEmpty ? "0" : String(Substring(integer)))\(decimals)\(Substring(tail))"
  guard case .number(let number)? = try? JSON(parsing: json) else { return nil }
  return number
}

private func refused(_ what: String, _ node: Node) -> SimplonError {
  SimplonError(yaml: "\(what) is refused", line: node.line)
}

extension Node {
  fileprivate var line: Int { mark?.line ?? 1 }
}

extension SimplonError {
  fileprivate init(yaml what: String, line: Int) {
    self.init(.planInvalid, "the YAML cannot be read: line \(line): \(what)", details: ["line": .integer(line)])
  }

  /// - Source: libyaml's `parser.c` and `scanner.c`, through Yams' `YamlError`.
  fileprivate init(yaml error: YamlError) {
    switch error {
    case .composer(_, let problem, let mark, _) where problem.contains("alias"):
      self.init(yaml: "an anchor or alias is refused; write the value out", line: mark.line)
    case .composer(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .scanner(_, let problem, let mark, _):
      self.init(yaml: problem, line: mark.line)
    case .reader(let problem, let offset, _, let text):
      let line = 1 + text.prefix(offset ?? 0).count { $0.isNewline }
      self.init(yaml: problem, line: line)
    case .duplicatedKeysInMapping(let names, let context):
      self.init(yaml: "the key \"\(names.first?.prefix(64) ?? "")\" stands twice", line: context.mark.line)
    default: self.init(.planInvalid, "the YAML cannot be read", cause: error)
    }
  }
}
