package import SimplonCore

/// How well this machine can confine a tool, as found at start.
package struct SandboxLevel: Sendable, Hashable {
  /// From strongest to none.
  package enum Kind: String, Sendable, CaseIterable {
    /// Namespaces and seccomp, with limits by control group version 2.
    case cgroup2
    /// The same, with version 1.
    case cgroup1
    /// The same, with limits per process only.
    case rlimits
    /// No namespaces: the operator's loud flag allowed it.
    case unsandboxed
    /// Tools that run programs are refused.
    case none
  }

  /// The level.
  package let kind: Kind
  /// Why it is no better; nil at the best.
  package let reason: String?

  /// Whether programs may run.
  package var isUsable: Bool { kind != .none }

  /// `{"level", "reason"}`, for `/ready`.
  package var json: JSON { ["level": .string(kind.rawValue), "reason": reason.map { .string($0) } ?? .null] }
}
