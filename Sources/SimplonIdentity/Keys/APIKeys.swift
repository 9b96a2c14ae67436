import Crypto
package import SimplonCore

/// The project's opaque keys, kept as hashes: `sb_publishable_…` stands for `anon`, `sb_secret_…` for `service_role`.
package struct APIKeys: Sendable {
  private let roles: [(hash: SHA256.Digest, role: Principal.Role)]

  /// Takes what `SUPABASE_ANON_KEY` and `SUPABASE_SERVICE_ROLE_KEY` (or a project's own list of keys) hold.
  ///
  /// A legacy key, which is a JWT, needs no place here: its signature speaks for it. It must only be one for that role.
  /// - Parameters:
  ///   - anon: keys for `anon`.
  ///   - service: keys for `service_role`.
  /// - Throws: `config.invalid` when a key is none, stands on the wrong side, or is shorter than 16 characters after its
  ///   prefix.
  package init(anon: [String] = [], service: [String] = []) throws(SimplonError) {
    var roles = [(hash: SHA256.Digest, role: Principal.Role)]()
    for (keys, role, prefix) in [
      (anon, Principal.Role.anon, "sb_publishable_"), (service, .serviceRole, "sb_secret_"),
    ] {
      for key in keys {
        let isOpaque = Self.isOpaque(key)
        let fits =
          isOpaque
          ? key.hasPrefix(prefix) && key.utf8.count >= prefix.utf8.count + 16
          : (try? SignedToken(parsing: key))?.claims["role"]?.string == role.rawValue
        guard fits else {
          throw SimplonError(
            .configInvalid,
            """
            a key for \(role.rawValue) must be \(prefix) and at least 16 characters, or the project's JWT of that role
            """)
        }
        if isOpaque { roles.append((SHA256.hash(data: Array(key.utf8)), role)) }
      }
    }
    self.roles = roles
  }

  /// Whether the text is an opaque key by its form, so that it is never read as a JWT.
  static func isOpaque(_ text: String) -> Bool { text.hasPrefix("sb_") }

  /// The role of a key, found by its hash in constant time.
  ///
  /// - Throws: `auth.invalid` when it is none of ours.
  func principal(_ key: SHA256.Digest) throws(SimplonError) -> Principal {
    for (hash, role) in roles where hash == key { return Principal(role: role, source: .key) }
    throw .invalidToken("the key is not one of this project's")
  }
}

extension APIKeys: CustomStringConvertible {
  /// Its name alone: keys are never logged.
  package var description: String { "APIKeys" }
}
