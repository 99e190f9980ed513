// bench_commit: how many events a second can be made durable in batches of one size, by a raw loop
// of write and fdatasync, by the relay's log, by SQLite. Prints one line of JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "support.hpp"

#if FLOWRELAY_BENCH_SQLITE
#include <sqlite3.h>
#endif

namespace flowrelay::bench {
namespace {

constexpr std::size_t record_header = 36;

/// One way to make a batch of events durable.
class Engine {
public:
    virtual ~Engine() = default;
    virtual void commit(std::span<const core::EventRecord> events) = 0;
};

class RawEngine final : public Engine {
public:
    RawEngine(const std::string& directory, FileMode mode) : file_(directory + "/raw", mode) {}

    void commit(std::span<const core::EventRecord> events) override {
        buffer_.clear();
        for (const auto& event : events) {
            buffer_.append(record_header, '\0');
            buffer_ += event.body;
        }
        file_.commit(buffer_);
    }

private:
    CommitFile file_;
    std::string buffer_;
};

class LogEngine final : public Engine {
public:
    explicit LogEngine(const std::string& directory)
        : file_system_(storage::make_posix_file_system()) {
        storage::LogOptions options;
        options.max_size = 16ULL << 30;
        auto opened = storage::open_segmented_log(*file_system_, directory + "/log", options, log_);
        if (opened.has_error()) throw std::runtime_error(opened.error().message);
        queue_ = std::move(*opened);
    }

    void commit(std::span<const core::EventRecord> events) override {
        const auto done = queue_->commit(events, {});
        if (done.has_error()) throw std::runtime_error(done.error().message);
    }

private:
    NullLog log_;
    std::unique_ptr<storage::FileSystem> file_system_;
    std::unique_ptr<storage::EventQueue> queue_;
};

#if FLOWRELAY_BENCH_SQLITE
class SqliteEngine final : public Engine {
public:
    explicit SqliteEngine(const std::string& directory) {
        sqlite3* database = nullptr;
        const int opened = sqlite3_open((directory + "/queue.sqlite").c_str(), &database);
        database_.reset(database);
        expect(opened, SQLITE_OK);
        execute("PRAGMA journal_mode=WAL");
        execute("PRAGMA synchronous=FULL");
        execute(
            "CREATE TABLE events (seq INTEGER PRIMARY KEY, token INTEGER, lane INTEGER,"
            " accepted INTEGER, id TEXT, thread TEXT, body TEXT)");
        sqlite3_stmt* insert = nullptr;
        expect(sqlite3_prepare_v2(database, "INSERT INTO events VALUES (NULL,?,?,?,?,?,?)", -1,
                                  &insert, nullptr),
               SQLITE_OK);
        insert_.reset(insert);
    }

    void commit(std::span<const core::EventRecord> events) override {
        execute("BEGIN");
        for (const auto& event : events) insert(event);
        execute("COMMIT");
    }

private:
    void insert(const core::EventRecord& event) {
        sqlite3_stmt* statement = insert_.get();
        sqlite3_bind_int64(statement, 1, 1);
        sqlite3_bind_int64(statement, 2, static_cast<std::int64_t>(event.thread_hash >> 1));
        sqlite3_bind_int64(statement, 3, event.accepted.time_since_epoch().count());
        bind_text(4, event.id);
        bind_text(5, event.thread);
        bind_text(6, event.body);
        expect(sqlite3_step(statement), SQLITE_DONE);
        sqlite3_reset(statement);
    }

    void bind_text(int column, const std::string& text) {
        expect(sqlite3_bind_text(insert_.get(), column, text.data(), static_cast<int>(text.size()),
                                 nullptr),
               SQLITE_OK);
    }

    void execute(const char* sql) {
        expect(sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr), SQLITE_OK);
    }

    void expect(int result, int wanted) {
        if (result != wanted) throw std::runtime_error(sqlite3_errmsg(database_.get()));
    }

    struct Close {
        void operator()(sqlite3* database) const { sqlite3_close(database); }
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    std::unique_ptr<sqlite3, Close> database_;
    std::unique_ptr<sqlite3_stmt, Close> insert_;
};
#endif

std::unique_ptr<Engine> make_engine(const std::string& name, const std::string& directory) {
    if (name == "log") return std::make_unique<LogEngine>(directory);
    if (name == "sqlite") {
#if FLOWRELAY_BENCH_SQLITE
        return std::make_unique<SqliteEngine>(directory);
#else
        throw std::runtime_error("built without SQLite (libsqlite3-dev)");
#endif
    }
    return std::make_unique<RawEngine>(directory, file_mode(name));
}

std::vector<core::EventRecord> make_batch(std::size_t count, std::size_t size) {
    std::vector<core::EventRecord> events(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto& event = events[i];
        event.token = TokenId{1};
        event.thread_hash = 0x9E3779B97F4A7C15ULL * (i + 1);
        event.accepted =
            std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
        event.id = "01970000-0000-7000-8000-000000000000";
        event.thread = fmt::format("e:build-{:08}", i);
        event.body = make_event(size, i);
    }
    return events;
}

}  // namespace
}  // namespace flowrelay::bench

int main(int argc, char** argv) {
    using namespace flowrelay::bench;
    std::string engine_name = "log";
    std::string directory;
    std::size_t batch = 1;
    std::size_t size = 500;
    std::uint64_t most = 500'000;
    double seconds = 2;
    CLI::App cli("bench_commit makes batches of events durable, one after the other.");
    cli.add_option("--engine", engine_name, "growing, allocated, overwrite, log or sqlite");
    cli.add_option("--directory", directory, "an empty one")->required();
    cli.add_option("--batch", batch)->check(CLI::Range(1, 100'000));
    cli.add_option("--size", size, "bytes of an event");
    cli.add_option("--events", most, "at most");
    cli.add_option("--seconds", seconds, "at most");
    CLI11_PARSE(cli, argc, argv);
    try {
        const auto engine = make_engine(engine_name, directory);
        const auto events = make_batch(batch, size);
        std::vector<std::uint32_t> latencies;
        std::uint64_t done = 0;
        const auto begin = Clock::now();
        auto now = begin;
        while (done < most && std::chrono::duration<double>(now - begin).count() < seconds) {
            engine->commit(events);
            const auto after = Clock::now();
            latencies.push_back(nanoseconds_since(now, after));
            now = after;
            done += batch;
        }
        const double took = std::chrono::duration<double>(now - begin).count();
        fmt::print(R"({{"events":{},"seconds":{:.4f},"events_per_s":{:.1f},{}}})"
                   "\n",
                   done, took, static_cast<double>(done) / took, percentile_members(latencies));
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_commit: {}\n", error.what());
        return 1;
    }
}
