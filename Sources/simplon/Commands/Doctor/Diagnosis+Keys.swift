import SimplonCluster
import SimplonCore
import SimplonIdentity

extension Diagnosis {
  /// Whether the project's keys are good here.
  func keys() async -> Finding {
    guard installation.hasProject else { return Finding(.keys, .skipped, "the first start makes them") }
    guard installation.settings.roles.contains(.api) else {
      return Finding(.keys, .skipped, "nobody shows a key, as \(Setting.roles.name) has no api")
    }
    do {
      let authenticator = try await installation.authenticator(logger: logger)
      for (name, key) in namedKeys {
        do throws(SimplonError) {
          _ = try await authenticator.principal(authorization: nil, apikey: key)
        } catch {
          return await refused(.keys, name, key, error, authenticator)
        }
      }
      return Finding(.keys, .ok, namedKeys.isEmpty ? "none is set; tokens are all that is good" : "they are good here")
    } catch {
      let error = SimplonError(wrapping: error)
      return Finding(.keys, error, hint: error.hint ?? "Copy each key anew from the project's settings.")
    }
  }

  /// Whether a token is good here.
  func token(_ token: String) async -> Finding {
    guard installation.hasProject else { return Finding(.token, .skipped, "there is no project yet that signs any") }
    do {
      let authenticator = try await installation.authenticator(logger: logger)
      do throws(SimplonError) {
        let who = try await authenticator.principal(authorization: "Bearer \(token)", apikey: nil)
        return Finding(
          .token, .ok, "it is good here, as \(who.role.rawValue)\(who.issuer.map { " of \($0)" } ?? "")")
      } catch {
        return await refused(.token, "the token", token, error, authenticator)
      }
    } catch {
      return Finding(.token, SimplonError(wrapping: error))
    }
  }

  /// The keys, each with the name by which a person finds it.
  private var namedKeys: [(name: String, key: String)] {
    guard let cluster = installation.cluster else {
      return [Setting.anonKey, .serviceKey].flatMap { setting in
        installation.reader.list(setting).map { (name: setting.name, key: $0) }
      }
    }
    return ["anon_key", "service_role_key"].compactMap { name in
      cluster.state.notes[name].map { (name: name, key: $0) }
    }
  }

  /// Why a token is refused; most of all, that another project has signed it.
  private func refused(
    _ check: Finding.Check, _ name: String, _ token: String, _ error: SimplonError, _ authenticator: Authenticator
  ) async -> Finding {
    guard error.code == .authInvalid, let origin = try? await authenticator.origin(of: token), !origin.isTrusted else {
      let hint = error.hint ?? "Get another one from the project."
      return Finding(check, .problem, "\(name) is refused: \(error.message)", error.code, hint: hint)
    }
    let names = [origin.project, origin.issuer].compactMap(\.self).filter { !$0.isEmpty }
    let whose = names.first.map { ", \(String($0.prefix(100)))" } ?? ""
    return Finding(
      check, .problem, "\(name) was signed by another project\(whose), or with a secret that is no longer this one's",
      .authInvalid,
      hint: installation.cluster == nil
        ? """
        Take \(Setting.url.name), \(Setting.jwtSecret.name) and both keys from the settings of one project; to trust another \
        one too, name it in \(Setting.issuers.name) (docs/identity.md).
        """
        : """
        A token of this stack: simplon token --sub UUID --data \(installation.folder)
        To trust another project too, name it in \(Setting.issuers.name) (docs/identity.md).
        """)
  }
}
