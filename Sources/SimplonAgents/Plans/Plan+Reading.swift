package import SimplonCore

extension Plan {
  /// Reads a plan from YAML 1.2 or JSON and checks all of it.
  ///
  /// - Throws: what ``json(reading:)`` and ``init(json:tools:)`` throw.
  package init(yaml text: String, tools: ToolCatalog) throws(SimplonError) {
    try self.init(json: try Plan.json(reading: text), tools: tools)
  }

  /// What a text in YAML 1.2 or JSON holds, for whoever hands a plan on and cannot check it.
  ///
  /// - Throws: `plan.invalid` with the line when the text cannot be read, `plan.too_large` above 4 MiB.
  package static func json(reading text: String) throws(SimplonError) -> JSON {
    guard text.utf8.count <= maximumBytes else {
      throw SimplonError(.planTooLarge, "the plan passes the limit of 4 MiB")
    }
    let byteOrderMark = "\u{FEFF}".utf8
    let text = text.utf8.starts(with: byteOrderMark) ? String(text.unicodeScalars.dropFirst()) : text
    if text.trimmed.hasPrefix("{"), let json = try? JSON(parsing: text) { return json }
    return try JSON(yaml: text)
  }

  /// Reads a plan and checks all of it.
  ///
  /// - Throws: `plan.invalid`, `plan.too_large`, `plan.not_supported`, `plan.unknown_tool`, `plan.input`,
  ///   `plan.expression`, `plan.reference` or `plan.cycle`; the message names the step.
  package init(json: JSON, tools: ToolCatalog) throws(SimplonError) {
    var fields = try Fields(json, "the plan", code: .planInvalid)
    guard let items = fields.json("steps")?.array, !items.isEmpty else {
      throw SimplonError(.planInvalid, "\"steps\" of the plan must be an array of at least one step")
    }
    guard items.count <= Plan.maximumSteps else {
      throw SimplonError(
        .planTooLarge, "the plan has \(items.count) steps; the limit is \(Plan.maximumSteps)",
        details: ["limit": .integer(Plan.maximumSteps)])
    }
    var size = SizeLimit()
    try within("the plan", try size.add(json))
    if let version = fields.json("version"), version.integer != 1 { throw fields.wrong("version", "must be 1") }
    let name = try fields.string("name")
    guard (name?.utf8.count ?? 1) <= 200 else { throw fields.wrong("name", "is longer than 200 bytes") }
    let output = fields.json("output")
    let artifacts = try fields.strings("artifacts") ?? []
    try fields.finish()
    guard artifacts.count <= Plan.maximumArtifacts else {
      throw fields.wrong("artifacts", "has more than \(Plan.maximumArtifacts) patterns")
    }
    for pattern in artifacts { _ = try Glob(pattern) }

    var steps = [Step]()
    var positions = [String: Int]()
    for (index, item) in items.enumerated() {
      let step = try Step(json: item, place: "step \(index + 1)", tools: tools)
      guard positions.updateValue(index, forKey: step.id) == nil else {
        throw SimplonError(.planInvalid, "two steps have the id \"\(step.id)\"")
      }
      steps.append(step)
    }
    let graph = try PlanGraph(ids: steps.map(\.id), needs: Plan.needs(of: steps, positions))
    self.init(name: name, steps: steps, output: output, artifacts: artifacts, graph: graph, positions: positions)
    try checkReferences()
    // The canonical form spells out defaults; it must be as readable as what it was made of.
    size = SizeLimit()
    try within("the plan", try size.add(self.json))
  }

  private static func needs(of steps: [Step], _ positions: [String: Int]) throws(SimplonError) -> [[Int]] {
    var needs = [[Int]]()
    for step in steps {
      var needed = [Int]()
      for id in step.needs {
        guard let position = positions[id] else {
          throw SimplonError(
            .planReference, "step \"\(step.id)\" needs \"\(id.prefix(64))\", which is no step of the plan")
        }
        needed.append(position)
      }
      needs.append(needed)
    }
    return needs
  }

  private func checkReferences() throws(SimplonError) {
    for (index, step) in steps.enumerated() {
      let references = try within("\"with\" of step \"\(step.id)\"", try Template.stepIDs(in: step.templates))
      for id in references.union(step.condition?.stepIDs ?? []).sorted() {
        guard let other = position(of: id) else {
          throw SimplonError(
            .planReference, "step \"\(step.id)\" refers to \"\(id.prefix(64))\", which is no step of the plan")
        }
        guard graph.reaches(from: index, to: other) else {
          throw SimplonError(
            .planReference, "step \"\(step.id)\" refers to step \"\(id)\", which it does not need",
            hint: "add \"\(id)\" to the `needs` of step \"\(step.id)\"")
        }
      }
    }
    let references = try within("\"output\" of the plan", try Template.stepIDs(in: output ?? .null))
    if let id = references.sorted().first(where: { position(of: $0) == nil }) {
      throw SimplonError(.planReference, "\"output\" refers to \"\(id.prefix(64))\", which is no step of the plan")
    }
  }
}

extension Plan.Step {
  fileprivate init(json: JSON, place: String, tools: ToolCatalog) throws(SimplonError) {
    guard let id = json["id"]?.string, id.isStepID else {
      throw SimplonError(
        .planInvalid, "\"id\" of \(place) must be a small letter, then small letters, digits, _ and -, 64 at most")
    }
    let place = "step \"\(id)\""
    var fields = try Fields(json, place, code: .planInvalid)
    _ = fields.json("id")
    guard let tool = try fields.string("tool") else { throw fields.wrong("tool", "is missing") }
    let declaration = try within(place, try tools.declaration(named: tool))
    let approval = try fields.bool("approval") ?? false
    if approval, tool == AskTool.declaration.name {
      throw fields.wrong("approval", "is for other tools: ask is put to a person anyway")
    }
    let needs = try fields.strings("needs") ?? []
    guard Set(needs).count == needs.count else { throw fields.wrong("needs", "names a step twice") }
    let condition = try fields.string("when")
    let input = JSON.object(try fields.object("with") ?? [:])
    let timeout = try fields.duration("timeout", in: .milliseconds(1)...declaration.maximumTimeout)
    let retry = fields.json("retry")
    let continueOnError = try fields.bool("continue_on_error") ?? false
    try fields.finish()

    self.id = id
    self.declaration = declaration
    self.needs = needs
    self.condition =
      if let condition { try within("\"when\" of \(place)", try Expression(condition: condition)) } else { nil }
    self.input = input
    self.timeout = timeout
    self.retry = if let retry { try Plan.StepRetry(json: retry, place: place) } else { .none }
    self.continueOnError = continueOnError
    self.approval = approval
    try checkInput()
  }

  private func checkInput() throws(SimplonError) {
    for name in declaration.literalFields.sorted() {
      guard let value = input[name], Template.mark(within: value) else { continue }
      throw SimplonError(
        .planExpression, "step \"\(id)\": \"\(name)\" is taken as written and cannot hold ${{",
        hint: "hand values over as data, in another field of the tool's input")
    }
    if let misfit = InputSchema(declaration.inputSchema).misfit(of: input, skippingExpressions: true) {
      throw SimplonError(.planInput, "the input of step \"\(id)\" does not fit the tool \"\(tool)\": \(misfit)")
    }
  }
}

extension Plan.StepRetry {
  fileprivate init(json: JSON, place: String) throws(SimplonError) {
    var fields = try Fields(json, "\"retry\" of \(place)", code: .planInvalid)
    max = try fields.integer("max", in: 0...10) ?? Self.none.max
    backoff = try fields.duration("backoff", in: .milliseconds(1)...(.seconds(3600))) ?? Self.none.backoff
    try fields.finish()
  }
}

extension Expression {
  /// Reads a condition: one `${{ … }}`, with nothing but space around it.
  fileprivate init(condition text: String) throws(SimplonError) {
    guard let only = try Template(text.trimmed)?.only else {
      throw SimplonError(.planExpression, "it must be one expression: ${{ … }}")
    }
    self = only
  }
}

extension String {
  fileprivate var isStepID: Bool {
    guard let first = utf8.first, first.isLowercaseLetter, utf8.count <= 64 else { return false }
    return utf8.allSatisfy { $0.isLowercaseLetter || $0.isDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
  }
}

/// Puts the place before the message of what the body throws.
func within<R>(_ place: String, _ body: @autoclosure () throws(SimplonError) -> R) throws(SimplonError) -> R {
  do { return try body() } catch {
    var error = error
    error.message = "\(place): \(error.message)"
    throw error
  }
}
