package import SimplonCore

/// How a step ended.
package struct SettledStep: Sendable, Hashable {
  /// The status it ended with.
  package var status: StepStatus
  /// What its tool answered; `steps.ID.output` in expressions.
  package var output: JSON?
  /// The error as ``SimplonCore/SimplonError/json`` when it failed; `steps.ID.error` in expressions.
  package var error: JSON?

  /// Makes one.
  package init(status: StepStatus, output: JSON? = nil, error: JSON? = nil) {
    self.status = status
    self.output = output
    self.error = error
  }
}
