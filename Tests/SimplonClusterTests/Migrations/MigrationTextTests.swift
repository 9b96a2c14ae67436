import Foundation
import SimplonCore
import Testing

@testable import SimplonPostgres

@Suite struct MigrationTextTests {
  @Test(arguments: [
    ("create table public.t (n public.kind)", #"create table "agents".t (n "agents".kind)"#),
    ("select 'public.t'::regclass", #"select '"agents".t'::regclass"#),
    ("revoke all on x from public;", "revoke all on x from public;"),
    ("select republic.x, my_public.y", "select republic.x, my_public.y"),
  ])
  func `the schema of the contract tables is replaced where it is meant`(sql: String, expected: String) {
    #expect(Migration.text(sql, for: "agents") == expected)
    #expect(Migration.text(sql, for: "public") == sql)
  }

  @Test func `what a text makes is found without its strings and comments and bodies`() {
    let text = """
      -- create table public.comment ();
      create table if not exists public.one (n integer default ';', check (n > 0));
      create unique index one_n on public.one (n);
      create or replace function simplon.two(n integer) returns text language plpgsql as $f$
        begin create table public.body (); return 'create table public.string ()'; end $f$;
      create type public.kind as enum ('a', 'b'); create trigger t before insert on public.one execute function simplon.two();
      create table public.gone (); drop table public.gone, public.other; drop function simplon.three(integer);
      """
    let objects = SchemaObject.made(by: [text]).map { "\($0.kind.rawValue) \($0.name)" }
    #expect(objects == ["table public.one", "index public.one_n", "function simplon.two", "type public.kind"])
  }

  @Test func `a new migration gets two files that a folder is read back from`() throws {
    let root = FileManager.default.temporaryDirectory.appending(path: "simplon-new-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: root) }
    let folder = "\(root)/supabase/migrations"
    let paths = try Migration.new("Add  Mood (of Agents)!", folder: folder, time: 1_767_225_599)
    #expect(paths.sql == "\(folder)/20251231235959_add_mood_of_agents.sql")
    #expect(paths.undo == "\(root)/supabase/undo/20251231235959_add_mood_of_agents.undo.sql")
    #expect(throws: SimplonError.self) { try Migration.new("Add Mood of Agents", folder: folder, time: 1_767_225_599) }
    #expect(throws: SimplonError.self) { try Migration.new("!", folder: folder, time: 0) }
    try Data("not one".utf8).write(to: URL(filePath: "\(folder)/README.md"))
    let read = try Migration.read(folder: folder + "/")
    #expect(read.map(\.version) == ["20251231235959"])
    #expect(read.first?.name == "add_mood_of_agents")
    #expect(read.first?.origin == .folder)
    #expect(read.first?.undo?.hasPrefix("-- Takes 20251231235959") == true)
    #expect(throws: SimplonError.self) { try Migration.read(folder: "\(root)/nowhere") }
  }
}
