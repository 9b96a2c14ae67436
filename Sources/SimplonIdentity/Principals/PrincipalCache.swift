import Crypto
import Synchronization

/// Remembers which tokens were verified, for a short while, so that a caller's next requests cost one hash.
///
/// Two generations make the bound: when the young one is full it becomes the old one, and what was in the old one and
/// not asked for since is forgotten.
final class PrincipalCache: Sendable {
  /// How long an entry lasts at most, in seconds: a key that its issuer took back is dead here after that.
  static let lifetime = 60

  private struct Entry {
    let principal: Principal
    /// Unix seconds; a clock that was set back ends the entry too.
    let valid: Range<Int>
  }

  private struct State {
    var young = [SHA256.Digest: Entry]()
    var old = [SHA256.Digest: Entry]()
    var youngBytes = 0
  }

  private let entries: Int
  private let bytes: Int
  private let state = Mutex(State())

  /// Makes an empty cache.
  ///
  /// - Parameters:
  ///   - entries: how many tokens are kept at most.
  ///   - bytes: how much text their claims may have in all.
  init(entries: Int = 10_000, bytes: Int = 16 << 20) {
    self.entries = entries
    self.bytes = bytes
  }

  /// What the token with this hash was worth, if that is known and still holds at `now` (Unix seconds).
  subscript(token: SHA256.Digest, now now: Int) -> Principal? {
    state.withLock { state in
      if let entry = state.young[token] { return entry.valid.contains(now) ? entry.principal : nil }
      guard let entry = state.old[token], entry.valid.contains(now) else { return nil }
      keep(entry, for: token, in: &state)
      return entry.principal
    }
  }

  /// Remembers a principal until its expiry or the end of ``lifetime``, whichever is sooner.
  func insert(_ principal: Principal, for token: SHA256.Digest, now: Int) {
    let end = min(principal.expiresAt ?? .max, now + Self.lifetime)
    guard end > now else { return }
    state.withLock { keep(Entry(principal: principal, valid: now..<end), for: token, in: &$0) }
  }

  private func keep(_ entry: Entry, for token: SHA256.Digest, in state: inout State) {
    let size = entry.principal.claimsText.utf8.count
    if state.young.count >= entries / 2 || state.youngBytes + size > bytes / 2 {
      state.old = state.young
      state.young = Dictionary(minimumCapacity: state.old.count)
      state.youngBytes = 0
    }
    state.young[token] = entry
    state.youngBytes += size
  }
}
