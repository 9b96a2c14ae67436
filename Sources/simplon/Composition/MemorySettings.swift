import SimplonAgents
import SimplonCore

extension Embeddings.Configuration {
  /// Reads it from the configuration; nil when neither a URL nor a key is set.
  ///
  /// - Throws: `config.invalid`.
  init?(_ reader: SettingsReader) throws(SimplonError) {
    let key = try reader.modelKey(.embeddingsKey)
    let url = reader.address(.embeddingsURL)
    guard url != nil || key != nil else { return nil }
    self.init(key: key, model: try reader.required(.embeddingsModel, reader.text))
    self.url = url ?? self.url
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
