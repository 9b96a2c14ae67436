import FoundationEssentials
import SimplonCore

/// The data folder of `simplon dev`, as an absolute path.
func dataFolder(_ reader: SettingsReader) throws(SimplonError) -> String {
  URL(filePath: try reader.required(.data, reader.text)).path
}

/// The same, for a command that has no other settings; what was given beats `SIMPLON_DATA`.
///
/// - Throws: `config.invalid` when `.env` or `simplon.yaml` cannot be read.
func dataFolder(given: String?) async throws(SimplonError) -> String {
  try dataFolder(await SettingsReader(flags: given.map { [Setting.data.name: $0] } ?? [:]))
}
