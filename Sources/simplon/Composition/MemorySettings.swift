import SimplonAgents
import SimplonCore

extension Embeddings.Configuration {
  /// Reads it from the configuration; nil when neither a URL nor a key is set.
  ///
  /// - Throws: `config.invalid`.
  init?(_ reader: SettingsReader) throws(SimplonError) {
    let key = try reader.modelKey(.embeddingsKey)
    guard let url = reader.address(.embeddingsURL) ?? key.map({ _ in "https://api.openai.com/v1" }) else { return nil }
    self.init(url: url, key: key)
    model = reader.text(.embeddingsModel) ?? model
  }
}

extension Evaluator.Configuration {
  /// Reads it from the configuration; nil when no URL is set.
  ///
  /// - Throws: `config.invalid`.
  init?(_ reader: SettingsReader) throws(SimplonError) {
    let key = try reader.modelKey(.evaluatorKey)
    guard let url = reader.text(.evaluatorURL) else { return nil }
    self.init(url: url, key: key)
  }
}

extension SettingsReader {
  fileprivate func modelKey(_ setting: Setting) throws(SimplonError) -> ModelKey? {
    guard let text = text(setting) else { return nil }
    return try ModelKey(text)
  }

  /// A URL without slashes at its end.
  fileprivate func address(_ setting: Setting) -> String? {
    text(setting).map { String($0.reversed().drop { $0 == "/" }.reversed()) }
  }
}
