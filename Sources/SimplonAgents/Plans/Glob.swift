package import SimplonCore

/// A pattern of paths, such as `**/*.svg`.
///
/// `*` stands for any characters of one name, `?` for one, `[a-z]` for one of a range and `[!a-z]` for one outside of
/// it; `**` between slashes stands for any number of folders, none included, or at the end for everything below.
/// Matching takes at most the product of both lengths, whatever the pattern.
package struct Glob: Sendable, Hashable {
  /// The pattern as it was written.
  package let pattern: String
  private let names: [Name]

  private enum Name: Sendable, Hashable {
    case folders
    case one([Item])
  }

  private enum Item: Sendable, Hashable {
    case literal(Unicode.Scalar)
    case anyOne
    case any
    case set([ClosedRange<Unicode.Scalar>], inverted: Bool)
  }

  /// Reads a pattern: relative, `/` between names, no `.` or `..` or empty name, at most 512 bytes.
  ///
  /// - Throws: `plan.invalid`.
  package init(_ pattern: String) throws(SimplonError) {
    func wrong(_ what: String) -> SimplonError {
      SimplonError(.planInvalid, "the file pattern \"\(pattern.prefix(128))\" \(what)")
    }
    guard !pattern.isEmpty, pattern.utf8.count <= 512 else { throw wrong("must have 1 to 512 bytes") }
    guard !pattern.utf8.contains(0) else { throw wrong("holds U+0000") }
    guard !pattern.utf8.starts(with: "/".utf8) else { throw wrong("must be relative") }
    var names = [Name]()
    for name in pattern.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false) {
      switch String(name) {
      case "": throw wrong("has an empty name between slashes")
      case ".", "..": throw wrong("must not hold . or .. as a name")
      case "**": if names.last != .folders { names.append(.folders) }
      default:
        guard let items = Self.items(Array(name)) else {
          throw wrong("has a [ that is not closed, is empty or runs backwards")
        }
        names.append(.one(items))
      }
    }
    if names.last == .folders { names.append(.one([.any])) }
    self.pattern = pattern
    self.names = names
  }

  /// Whether the pattern matches the whole of a relative path.
  package func matches(_ path: String) -> Bool {
    let path = path.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false).map(Array.init)
    return Self.match(names, path, isStar: { $0 == .folders }) { name, text in
      guard case .one(let items) = name, !text.isEmpty else { return false }
      return Self.match(items, text, isStar: { $0 == .any }, one: Self.match)
    }
  }

  /// Matches greedily and goes back to the last star alone: an earlier one can never do better.
  private static func match<P, T>(
    _ pattern: [P], _ text: [T], isStar: (P) -> Bool, one: (P, T) -> Bool
  ) -> Bool {
    var (p, t) = (0, 0)
    var star: (p: Int, t: Int)?
    while t < text.count {
      if p < pattern.count, isStar(pattern[p]) {
        star = (p, t)
        p += 1
      } else if p < pattern.count, one(pattern[p], text[t]) {
        p += 1
        t += 1
      } else if let last = star {
        star = (last.p, last.t + 1)
        p = last.p + 1
        t = last.t + 1
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy(isStar)
  }

  private static func match(_ item: Item, _ scalar: Unicode.Scalar) -> Bool {
    switch item {
    case .literal(let literal): literal == scalar
    case .anyOne: true
    case .any: false
    case .set(let ranges, let inverted): ranges.contains { $0.contains(scalar) } != inverted
    }
  }

  private static func items(_ name: [Unicode.Scalar]) -> [Item]? {
    var items = [Item]()
    var at = 0
    while at < name.count {
      switch name[at] {
      case "*": if items.last != .any { items.append(.any) }
      case "?": items.append(.anyOne)
      case "[":
        guard let (set, end) = set(name, from: at + 1) else { return nil }
        items.append(set)
        at = end
      default: items.append(.literal(name[at]))
      }
      at += 1
    }
    return items
  }

  /// The set whose first character is at a place, and where its `]` stands; a `]` that comes first is a member.
  private static func set(_ name: [Unicode.Scalar], from start: Int) -> (Item, end: Int)? {
    let inverted = start < name.count && name[start] == "!"
    var at = inverted ? start + 1 : start
    var ranges = [ClosedRange<Unicode.Scalar>]()
    while at < name.count {
      if name[at] == "]", !ranges.isEmpty { return (.set(ranges, inverted: inverted), at) }
      if at + 2 < name.count, name[at + 1] == "-", name[at + 2] != "]" {
        guard name[at] <= name[at + 2] else { return nil }
        ranges.append(name[at]...name[at + 2])
        at += 3
      } else {
        ranges.append(name[at]...name[at])
        at += 1
      }
    }
    return nil
  }
}
