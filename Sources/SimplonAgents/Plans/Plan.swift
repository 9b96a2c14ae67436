package import SimplonCore

/// What a run does: steps that call tools, in the order of their needs.
///
/// A plan that exists is sound: its tools are known, its needs form no circle, every expression reads and refers only
/// to steps that are over by then, and every input fits as far as it is known. `docs/plans.md` describes the language.
package struct Plan: Sendable, Hashable {
  /// One call of a tool.
  package struct Step: Sendable, Hashable {
    /// `[a-z][a-z0-9_-]*`, at most 64 characters, unique in the plan.
    package let id: String
    /// The tool it calls.
    package let declaration: ToolDeclaration
    /// The ids of the steps that must be over before this one starts.
    package let needs: [String]
    /// What must hold for it to run.
    package let condition: Expression?
    /// Its input, an object, with the expressions still in it.
    package let input: JSON
    /// The time limit of one attempt, when the plan names one; else the declaration's.
    package let timeout: Duration?
    /// How often it is repeated after a failure.
    package let retry: StepRetry
    /// Whether a failure lets its dependants go on.
    package let continueOnError: Bool
    /// Whether a person has to approve the call first.
    package var approval = false

    /// The name of the tool it calls.
    package var tool: String { declaration.name }

    /// The step by another id.
    func renamed(_ id: String) -> Step {
      Step(
        id: id, declaration: declaration, needs: needs, condition: condition, input: input, timeout: timeout,
        retry: retry, continueOnError: continueOnError, approval: approval)
    }
  }

  /// How often a step is repeated after a failure, and how long it waits before the first repeat.
  package struct StepRetry: Sendable, Hashable {
    /// Repeats after the first attempt, 0 to 10.
    package let max: Int
    /// The wait before the first repeat, 1 ms to 1 h; it doubles with each.
    package let backoff: Duration

    /// No repeat.
    static let none = StepRetry(max: 0, backoff: .seconds(1))
  }

  /// The most steps of a plan.
  package static let maximumSteps = 1000
  /// The most bytes of a plan's text, 4 MiB.
  package static let maximumBytes = SizeLimit.bytes
  /// The most patterns of artifacts.
  package static let maximumArtifacts = 100

  /// What the author calls it.
  package let name: String?
  /// The steps as they stand in the plan; at least one.
  package let steps: [Step]
  /// What becomes the run's result, with the expressions still in it.
  package let output: JSON?
  /// The patterns of the files to keep, as ``Glob`` reads them.
  package let artifacts: [String]
  /// The canonical form; `Plan(json: plan.json, tools:)` gives an equal plan.
  package let json: JSON

  let graph: PlanGraph
  private let positions: [String: Int]

  init(
    name: String?, steps: [Step], output: JSON?, artifacts: [String], graph: PlanGraph, positions: [String: Int]
  ) {
    self.name = name
    self.steps = steps
    self.output = output
    self.artifacts = artifacts
    self.json = Self.canonical(name: name, steps: steps, output: output, artifacts: artifacts)
    self.graph = graph
    self.positions = positions
  }

  /// The step of that id.
  package subscript(id: String) -> Step? { positions[id].map { steps[$0] } }

  /// The position of the step of that id in ``steps``.
  func position(of id: String) -> Int? { positions[id] }

  /// The ids of the steps that a step needs, and theirs, each after all that it needs itself.
  package func ancestors(of id: String) -> [String] {
    guard let step = positions[id] else { return [] }
    return graph.order.filter { graph.reaches(from: step, to: $0) }.map { steps[$0].id }
  }

  /// Whether a step needs another, directly or through others.
  func needs(_ id: String, _ other: String) -> Bool {
    guard let step = positions[id], let other = positions[other] else { return false }
    return graph.reaches(from: step, to: other)
  }
}

extension Plan {
  private static func canonical(name: String?, steps: [Step], output: JSON?, artifacts: [String]) -> JSON {
    var plan: [String: JSON] = ["version": 1, "steps": .array(steps.map(\.json))]
    plan["name"] = name.map { .string($0) }
    plan["output"] = output
    if !artifacts.isEmpty { plan["artifacts"] = .array(artifacts.map { .string($0) }) }
    return .object(plan)
  }
}

extension Plan.Step {
  fileprivate var json: JSON {
    var step: [String: JSON] = ["id": .string(id), "tool": .string(tool)]
    if !needs.isEmpty { step["needs"] = .array(needs.map { .string($0) }) }
    step["when"] = condition.map { .string("${{ \($0.text) }}") }
    if input != [:] { step["with"] = input }
    step["timeout"] = timeout.map { .string($0.short) }
    if retry != .none { step["retry"] = ["max": .integer(retry.max), "backoff": .string(retry.backoff.short)] }
    if continueOnError { step["continue_on_error"] = true }
    if approval { step["approval"] = true }
    return .object(step)
  }
}
