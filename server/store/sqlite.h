// SQLite as this store uses it: one connection, prepared statements kept by their text, transactions that roll back
// unless they are committed. Not thread-safe: the caller holds its own lock. Errors: ResourceExhausted (disk or memory
// full), DataLoss (the file is no database or is damaged), Internal (a statement of ours is wrong), Unavailable
// (anything else), message of SQLite.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/status.h"

namespace sub1quant {

// Binds as BLOB; a std::string binds as TEXT. Refers to `bytes`, which outlives the statement.
struct Blob {
  const std::string& bytes;
};

class Database;

// A prepared statement in use. Its text must not be in use twice at once.
class Statement {
 public:
  Statement(Statement&& other) noexcept : database_(other.database_), handle_(other.handle_) {
    other.handle_ = nullptr;
  }
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // True: a row is there.
  absl::StatusOr<bool> Step();
  // Steps to the end.
  absl::Status Run();

  bool IsNull(int column) const;
  int64_t Integer(int column) const;
  double Real(int column) const;
  std::string Bytes(int column) const;  // of TEXT and BLOB

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* handle) : database_(database), handle_(handle) {}
  int Bind(int index, int64_t value);
  int Bind(int index, int value) { return Bind(index, int64_t{value}); }
  int Bind(int index, bool value) { return Bind(index, int64_t{value}); }
  int Bind(int index, double value);
  int Bind(int index, const std::string& value);
  int Bind(int index, const char* value) { return Bind(index, std::string(value)); }
  int Bind(int index, const Blob& value);

  Database* database_;
  sqlite3_stmt* handle_;
};

class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  template <typename... Values>
  absl::StatusOr<Statement> Query(const std::string& sql, const Values&... values) {
    SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
    int index = 0, code = SQLITE_OK;
    ((code = code == SQLITE_OK ? statement.Bind(++index, values) : code), ...);
    if (code != SQLITE_OK) return Error(code);
    return statement;
  }
  // For statements without rows; returns how many rows they changed.
  template <typename... Values>
  absl::StatusOr<int64_t> Execute(const std::string& sql, const Values&... values) {
    SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, Query(sql, values...));
    SUB1QUANT_RETURN_IF_ERROR(statement.Run());
    return sqlite3_changes64(handle_);
  }
  // Several statements, none kept.
  absl::Status RunScript(const char* sql);

  int64_t LastInsertId() const { return sqlite3_last_insert_rowid(handle_); }
  // Steps of SQLite's machine in all kept statements so far: what work they cost, the same on every computer.
  int64_t Steps() const;
  int64_t TotalChanges() const { return sqlite3_total_changes64(handle_); }
  absl::Status Error(int code) const;

 private:
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  absl::StatusOr<Statement> Prepare(const std::string& sql);

  sqlite3* handle_;
  std::string path_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

// BEGIN IMMEDIATE … COMMIT. Without Commit, or if it fails, nothing happened.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept
      : database_(other.database_), changes_(other.changes_), open_(std::exchange(other.open_, false)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  absl::Status Commit();
  // Whether a row was inserted, updated or deleted.
  bool Changed() const { return database_->TotalChanges() != changes_; }

 private:
  explicit Transaction(Database& database) : database_(&database), changes_(database.TotalChanges()), open_(true) {}
  Database* database_;
  int64_t changes_;
  bool open_;
};

}  // namespace sub1quant
