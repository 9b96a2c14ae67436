/// How much work may wait before further runs are refused.
package struct IntakeLimits: Sendable {
  /// Queued runs of one user; nil: no limit.
  package var perUser: Int?
  /// Queued runs of all users; nil: no limit.
  package var total: Int?
  /// How long making a run may take; when it takes longer for half of the users, and for four or more, further ones are
  /// refused.
  package var patience: Duration

  /// Makes limits; none by default.
  package init(perUser: Int? = nil, total: Int? = nil, patience: Duration = .seconds(2)) {
    self.perUser = perUser
    self.total = total
    self.patience = patience
  }
}
