import FoundationEssentials
import SimplonCore

extension SimplonError {
  static func noRun(_ run: UUID) -> SimplonError {
    SimplonError(.runNotFound, "there is no run \(run.uuidString.lowercased()) of yours")
  }

  static func noRow(from function: String) -> SimplonError {
    SimplonError(.databaseSchema, "\(function) gave no row", hint: "Apply the migrations: simplon db push")
  }
}
