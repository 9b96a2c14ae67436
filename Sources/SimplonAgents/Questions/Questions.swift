import SimplonCore

/// The questions of one run to a person: which are open, and which calls have been approved.
///
/// Time is the database's business: a question whose time is over is heard of as a response like any other.
struct Questions: Sendable {
  /// What becomes of a step that is about to begin.
  enum Verdict: Sendable {
    case begin
    /// It is put to a person.
    case ask(Question)
    /// It was put to one by an earlier holder, and nobody has responded.
    case waits
    /// It was, and this was said.
    case heard(PersonResponse)
  }

  /// By step.
  private(set) var open: [String: Question] = [:]
  private let rules: ApprovalRules
  /// What earlier holders asked, and what was said to it.
  private var left: [String: PersonResponse?] = [:]
  private var approved: Set<String> = []

  init(rules: ApprovalRules) { self.rules = rules }

  /// Takes up what an earlier holder left of a step; gives whether it is a question that it asked.
  mutating func take(_ record: StepRecord) -> Bool {
    let response = record.response.map(PersonResponse.init)
    guard record.isQuestion else {
      // A call that was begun is not approved a second time.
      if response?.isApproval == true { approved.insert(record.id) }
      return false
    }
    left[record.id] = .some(response)
    return true
  }

  /// Decides whether a step begins.
  ///
  /// - Throws: `tool.input` when what it asks cannot be asked.
  mutating func verdict(on step: Plan.Step, _ input: JSON) throws(SimplonError) -> Verdict {
    guard !approved.contains(step.id), let question = try question(of: step, input) else { return .begin }
    open[step.id] = question
    guard let asked = left.removeValue(forKey: step.id) else { return .ask(question) }
    return asked.map(Verdict.heard) ?? .waits
  }

  private func question(of step: Plan.Step, _ input: JSON) throws(SimplonError) -> Question? {
    if step.tool == AskTool.declaration.name { return try AskTool.question(of: step, input) }
    let rule = rules.rule(for: step.declaration, input)
    // What was asked stays asked, whatever the rules say by now.
    guard step.approval || rule != nil || left[step.id] != nil else { return nil }
    return .approval(of: step, expires: rule?.expires)
  }

  /// Takes a question off the list, with what was said to it; nil when it was not open.
  mutating func close(_ stepID: String, with response: PersonResponse? = nil) -> Question? {
    guard let question = open.removeValue(forKey: stepID) else { return nil }
    if response?.isApproval == true { approved.insert(stepID) }
    return question
  }

  /// What the run says while nothing else of it goes on: the question that comes first by the steps' positions.
  func reason(_ position: (String) -> Int) -> JSON? {
    let first = open.values.min { (position($0.stepID), $0.stepID) < (position($1.stepID), $1.stepID) }
    return first?.reason(others: open.count - 1)
  }
}
