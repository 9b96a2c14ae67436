import SimplonCore
import Testing

@testable import SimplonPostgres

/// Whether rows stand in the way is asked before anybody has agreed to anything.
struct SchemaObstacleTests {
  private func snapshot(_ items: [SchemaItem]) -> SchemaSnapshot {
    SchemaSnapshot(
      items: Dictionary(items.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first }), needs: [:], users: [:],
      children: ["table public.t": items.filter { $0.kind == .column }.map(\.id)], defaultRights: [:],
      login: "postgres", version: 18, schemas: ["public"])
  }

  private func item(_ kind: SchemaItem.Kind, _ name: String, in parent: String? = nil, _ facts: JSON) -> SchemaItem {
    SchemaItem(
      kind: kind, name: name, parent: parent, make: "", unmake: "", facts: facts,
      address: SchemaItem.Address(class: 0, object: 0, part: 0))
  }

  private func column(_ name: String, of table: String, called: String, isNeeded: Bool) -> SchemaItem {
    item(
      .column, "\(name) of public.t", in: "table public.t",
      ["table": .string(table), "column": .string(called), "type": "integer", "notnull": .bool(isNeeded)])
  }

  @Test func `what is asked of a database has its own words alone`() throws {
    let evil = "public.t where public.evil()) or exists (select from public.t"
    let table = item(.table, "public.t", ["shape": "r"])
    let wanted = [
      table, column("a", of: evil, called: "public.evil() is null or a", isNeeded: true),
      column("b", of: evil, called: "b", isNeeded: true),
    ]
    let found = [table, column("a", of: "public.t", called: "a", isNeeded: false)]
    var planner = SchemaPlanner(from: snapshot(wanted), to: snapshot(found))
    let obstacles = try planner.plan().statements.map(\.obstacle)
    #expect(obstacles == ["exists (select from public.t where a is null)", "exists (select from public.t)"])
  }
}
