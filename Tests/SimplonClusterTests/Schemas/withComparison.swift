import SimplonCluster
import SimplonPostgres
import TestSupport

/// Gives the body two databases with these contents, and their comparison as the owner, who is no superuser.
func withComparison(
  from wanted: String, to found: String, schemas: [String] = [], lockTimeout: Duration = .seconds(10),
  _ body: (SchemaComparison, _ source: TestDatabase, _ target: TestDatabase) async throws -> Void
) async throws {
  try await withTestDatabase(.bootstrapped) { source in
    try await withTestDatabase(.bootstrapped) { target in
      try await source.execute(wanted, as: .owner)
      try await target.execute(found, as: .owner)
      try await withClient(source.owner) { first in
        try await withClient(target.owner) { second in
          let comparison = SchemaComparison(source: first, target: second, schemas: schemas, lockTimeout: lockTimeout)
          try await body(comparison, source, target)
        }
      }
    }
  }
}
