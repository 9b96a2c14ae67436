import Configuration
import FoundationEssentials
import SimplonAgents
import SimplonCore
import SystemPackage

/// Where settings' values come from: the command line, the environment, `.env`, `simplon.yaml`, in this order.
///
/// Every value is read as text and checked here, so that a wrong one names its key and range and stops the start.
struct SettingsReader: Sendable {
  private let reader: ConfigReader
  /// `SUPABASE_DEV_*` or `SUPABASE_PROD_*` beat `SUPABASE_*` when an environment was chosen.
  let environment: Environment?

  /// Opens the sources.
  ///
  /// - Parameters:
  ///   - flags: values from the command line, by setting's name.
  ///   - environment: `dev` or `prod`, from `--env`.
  ///   - folder: where `.env` and `simplon.yaml` are looked for.
  ///   - variables: the process's environment, or a test's.
  /// - Throws: `config.invalid` when a file cannot be read.
  init(
    flags: [String: String] = [:], environment: Environment? = nil, folder: String = ".",
    variables: [String: String]? = nil
  ) async throws(SimplonError) {
    self.environment = environment
    var providers: [any ConfigProvider] = [
      InMemoryProvider(
        values: Dictionary(
          uniqueKeysWithValues: flags.map {
            (AbsoluteConfigKey([$0.key.lowercased()]), ConfigValue(.string($0.value), isSecret: false))
          }))
    ]
    providers.append(
      variables.map { EnvironmentVariablesProvider(environmentVariables: $0) } ?? EnvironmentVariablesProvider())
    do {
      providers.append(
        try await EnvironmentVariablesProvider(environmentFilePath: FilePath("\(folder)/.env"), allowMissing: true))
      providers.append(
        try await FileProvider<YAMLSnapshot>(filePath: FilePath("\(folder)/simplon.yaml"), allowMissing: true))
    } catch {
      throw SimplonError(.configInvalid, "the file .env or simplon.yaml cannot be read", cause: error)
    }
    reader = ConfigReader(providers: providers)
  }

  /// The value's text, or what holds without one; a list's parts are joined by commas.
  func text(_ setting: Setting) -> String? { found(setting)?.text ?? setting.fallback }

  /// What the first source that has the setting says, and whether it is a list there, as only a file can have it.
  private func found(_ setting: Setting) -> (text: String, isList: Bool)? {
    var names = [setting.name]
    if let environment, setting.name.hasPrefix("SUPABASE_") {
      names.insert("SUPABASE_\(environment.rawValue.uppercased())_" + setting.name.dropFirst("SUPABASE_".count), at: 0)
    }
    for name in names {
      let key = ConfigKey([name.lowercased()])
      if let found = reader.string(forKey: key, isSecret: setting.isSecret)
        ?? reader.int(forKey: key, isSecret: setting.isSecret).map({ String($0) })
        ?? reader.double(forKey: key, isSecret: setting.isSecret).map({ String($0) })
        ?? reader.bool(forKey: key, isSecret: setting.isSecret).map({ String($0) }), !found.isEmpty
      {
        return (found, false)
      }
      if reader.string(forKey: key) == nil, let parts = reader.stringArray(forKey: key, isSecret: setting.isSecret) {
        return (parts.joined(separator: ","), true)
      }
    }
    return nil
  }

  /// The value as a truth value.
  func flag(_ setting: Setting) throws(SimplonError) -> Bool {
    switch text(setting)?.lowercased() {
    case "true", "1", "yes", "on": true
    case "false", "0", "no", "off", nil: false
    default: throw wrong(setting)
    }
  }

  /// The value as an integer of the setting's range.
  func integer(_ setting: Setting) throws(SimplonError) -> Int? {
    guard let text = text(setting) else { return nil }
    guard case .integer(let range) = setting.kind, let value = Int(text), range.contains(value) else {
      throw wrong(setting)
    }
    return value
  }

  /// The value as a time of the setting's range.
  func duration(_ setting: Setting) throws(SimplonError) -> Duration? {
    guard let text = text(setting) else { return nil }
    switch setting.kind {
    case .duration(let range):
      guard let value = Duration(parsing: text), range.contains(value) else { throw wrong(setting) }
      return value
    case .seconds(let range):
      guard let value = Int(text), range.contains(value) else { throw wrong(setting) }
      return .seconds(value)
    default: throw wrong(setting)
    }
  }

  /// The value as an amount of US dollars, in exact decimal text.
  func amount(_ setting: Setting) throws(SimplonError) -> String? {
    guard let text = text(setting) else { return nil }
    guard USD.isAmount(text) else { throw wrong(setting) }
    return text
  }

  /// The value as one of the setting's words, in lower case.
  func choice(_ setting: Setting) throws(SimplonError) -> String? {
    guard let text = text(setting)?.lowercased() else { return nil }
    guard case .choice(let words) = setting.kind, words.contains(text) else { throw wrong(setting) }
    return text
  }

  /// Checks every value there is, so that a wrong one stops the start whatever it would be needed for.
  ///
  /// - Throws: `config.invalid`.
  func check() throws(SimplonError) {
    for setting in Setting.all {
      if found(setting)?.isList == true, !setting.kind.isList { throw wrong(setting) }
      switch setting.kind {
      case .text, .list: break
      case .origins:
        let origins = list(setting)
        guard origins == ["*"] || origins.allSatisfy(Self.isOrigin) else { throw wrong(setting) }
      case .flag: _ = try flag(setting)
      case .integer: _ = try integer(setting)
      case .duration, .seconds: _ = try duration(setting)
      case .choice: _ = try choice(setting)
      case .url:
        guard let text = text(setting) else { continue }
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme?.lowercased() ?? ""),
          url.host()?.isEmpty == false
        else { throw wrong(setting) }
      case .database:
        guard let text = text(setting) else { continue }
        guard text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") || text.contains("=") else {
          throw wrong(setting)
        }
      case .schema:
        guard let text = text(setting) else { continue }
        guard text.utf8.count <= 63, text.utf8.first.map({ !(48...57).contains($0) }) ?? false,
          text.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 })
        else { throw wrong(setting) }
      case .amount: _ = try amount(setting)
      }
    }
    for (setting, why) in [
      (Setting.enableRLS, "row level security is what keeps users apart"),
      (.enableIntegration, "the database is the service"),
    ] {
      guard try flag(setting) else {
        throw SimplonError(
          .configInvalid, "\(setting.name)=false is refused: \(why)", hint: "Take it out.",
          details: ["key": .string(setting.name)])
      }
    }
  }

  /// Whether it is an origin as browsers send it: scheme, host in lower case, and a port if need be.
  ///
  /// - Source: WHATWG HTML, "Serialization of an origin".
  private static func isOrigin(_ text: String) -> Bool {
    text.wholeMatch(of: #/[a-z][a-z0-9+.\-]*://([a-z0-9_.\-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/#) != nil
  }

  /// The value's parts between commas, trimmed.
  func list(_ setting: Setting) -> [String] {
    (text(setting) ?? "").split(separator: ",").map { part in
      String(part.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }.filter { !$0.isEmpty }
  }

  /// The value, which must be there.
  ///
  /// - Throws: `config.missing`.
  func required(_ setting: Setting, _ hint: String) throws(SimplonError) -> String {
    try required(setting, text, hint: hint)
  }

  /// The same, read as something else than text; the value of a setting with a fallback is always there.
  ///
  /// - Throws: `config.missing`, `config.invalid`.
  func required<Value>(
    _ setting: Setting, _ read: (Setting) throws(SimplonError) -> Value?, hint: String? = nil
  ) throws(SimplonError) -> Value {
    guard let value = try read(setting) else {
      throw SimplonError(
        .configMissing, "\(setting.name) is not set", hint: hint, details: ["key": .string(setting.name)])
    }
    return value
  }

  private func wrong(_ setting: Setting) -> SimplonError {
    // An address may hold a password.
    var isHidden = setting.isSecret
    if case .url = setting.kind { isHidden = true }
    let shown = isHidden ? "the value" : "\"\((text(setting) ?? "").prefix(80))\""
    return SimplonError(
      .configInvalid, "\(setting.name) is \(shown), and must be: \(setting.range)", hint: setting.summary,
      details: ["key": .string(setting.name), "range": .string(setting.range)])
  }
}
