/// Where a step stands.
package enum StepStatus: String, Sendable, Hashable, CaseIterable {
  /// Not started.
  case pending
  /// Handed to its tool.
  case running
  /// Between two attempts, or waiting for someone.
  case waiting
  /// Its tool succeeded.
  case completed
  /// Its tool, or an expression of its, failed.
  case failed
  /// It never ran: its condition was false, or a step that it needs was skipped or failed.
  case skipped
  /// Stopped while it ran.
  case cancelled

  /// Whether the step is over for good.
  package var isSettled: Bool {
    switch self {
    case .pending, .running, .waiting: false
    case .completed, .failed, .skipped, .cancelled: true
    }
  }
}
