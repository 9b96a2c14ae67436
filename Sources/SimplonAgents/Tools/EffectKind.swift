/// What repeating a tool call would do to the world; it decides what recovery may do with a call of unknown outcome.
package enum EffectKind: String, Sendable, Hashable, CaseIterable {
  /// Nothing outside the work folder changes: it may be repeated freely.
  case pure
  /// Repeating with the same key has the effect of doing it once.
  case idempotent
  /// The outcome can be looked up afterwards.
  case reconcile
  /// Only a person can tell; never repeated by itself.
  case manual
}
