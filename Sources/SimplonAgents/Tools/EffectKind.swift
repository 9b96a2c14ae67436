/// What repeating a tool call would do to the world; it decides what recovery may do with a call of unknown outcome.
package enum EffectKind: String, Sendable, Hashable, CaseIterable {
  /// Nothing outside the work folder changes: it may be repeated freely.
  case pure
  /// Repeating with the same key has the effect of doing it once, so it may be repeated.
  case idempotent
  /// The tool itself looks up what became of an earlier call of the same step and attempt, so it is called again.
  case reconcile
  /// Only a person can tell; never repeated by itself.
  case manual
}

extension Plan.Step {
  /// What repeating its call would do.
  ///
  /// Known before its expressions are: tools decide it by literal fields, and by whether a field is there.
  var effect: EffectKind { declaration.effect(of: input) }
}
