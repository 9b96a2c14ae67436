import ArgumentParser
import SimplonCore
import SimplonPostgres

/// Reads the name of one database among several.
enum DatabaseName {
  /// How to connect to what is meant: a connection string, `dev`, `prod` or `here`.
  ///
  /// - Parameter name: as it was given.
  /// - Returns: a configuration for one caller.
  /// - Throws: a `ValidationError` for anything else; `config.missing` or `config.invalid` when the settings do not say
  ///   where such a database is.
  static func configuration(_ name: String) async throws -> PostgresConfiguration {
    let address: DatabaseAddress
    if name == "here" {
      let reader = try await SettingsReader()
      try reader.check()
      address = try DatabaseAddress(reader, override: reader.text(.directURL))
    } else if let environment = Environment(rawValue: name) {
      let reader = try await SettingsReader(environment: environment)
      try reader.check()
      address = try DatabaseAddress(reader)
    } else {
      guard name.hasPrefix("postgresql://") || name.hasPrefix("postgres://") || name.contains("=") else {
        // It may be a connection string that went wrong, with a password in it.
        throw ValidationError("a database is a connection string such as postgresql://…, or dev, prod or here")
      }
      address = DatabaseAddress(dsn: name)
    }
    return address.forOneCommand
  }
}

extension DatabaseAddress {
  /// How a command connects that has the database for itself, one transaction at a time and however long that takes.
  var forOneCommand: PostgresConfiguration {
    var configuration = PostgresConfiguration(dsn: dsn)
    configuration.statementTimeout = nil
    // With one transaction at a time it may as well go through a pooler.
    configuration.pooler = true
    configuration.exclusiveConnections = 1
    return configuration
  }
}
