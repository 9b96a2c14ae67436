import FoundationEssentials
import SimplonPostgres

extension PostgresClient {
  /// The ids of runs that a statement gives, one a row.
  func ids(_ statement: PostgresQuery) async throws -> [UUID] {
    try await query(statement).map { row in try row.decode(UUID.self) }
  }
}
