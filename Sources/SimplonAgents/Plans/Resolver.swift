import SimplonCore

/// Puts values where expressions stand, within the limits of a plan: repeated doubling of an output would otherwise
/// fill the memory in thirty steps.
struct Resolver {
  private let scope: Expression.Scope
  private var size = SizeLimit()

  /// Resolves one value: an input or the plan's output.
  ///
  /// - Throws: `plan.expression`; `plan.too_large` when the result passes 4 MiB or 64 levels.
  static func resolve(_ json: JSON, in scope: Expression.Scope) throws(SimplonError) -> JSON {
    var resolver = Resolver(scope: scope)
    return try resolver.resolve(json, level: 1)
  }

  private init(scope: Expression.Scope) { self.scope = scope }

  private mutating func resolve(_ json: JSON, level: Int) throws(SimplonError) -> JSON {
    switch json {
    case .string(let text):
      guard let template = try Template(text) else { break }
      if let only = template.only {
        let value = try only.value(in: scope)
        try size.add(value, level: level)
        return value
      }
      return .string(try resolve(template.parts, level: level))
    case .array(let items):
      try size.enter(level)
      var resolved = [JSON]()
      for item in items { resolved.append(try resolve(item, level: level + 1)) }
      return .array(resolved)
    case .object(let members):
      try size.enter(level)
      var resolved = [String: JSON]()
      for (name, member) in members {
        try size.add(bytes: name.utf8.count)
        resolved[name] = try resolve(member, level: level + 1)
      }
      return .object(resolved)
    case .null, .bool, .number: break
    }
    try size.add(json, level: level)
    return json
  }

  private mutating func resolve(_ parts: [Template.Part], level: Int) throws(SimplonError) -> String {
    var text = ""
    for part in parts {
      switch part {
      case .text(let piece):
        try size.add(bytes: piece.utf8.count)
        text += piece
      case .expression(let expression):
        let value = try expression.value(in: scope)
        try size.add(value, level: level)
        text += value.string ?? value.text
      }
    }
    return text
  }
}
