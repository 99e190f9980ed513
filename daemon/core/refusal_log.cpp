#include "flowrelay/core/refusal_log.hpp"

#include <vector>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

constexpr Milliseconds going_on = Seconds(60);
constexpr Milliseconds quiet = Seconds(600);
constexpr std::uint64_t many = 100;

/// Returns whether a refusal is caused by the submission, and not by the state of the relay.
bool is_of_producer(RejectCode code) noexcept {
    return code != RejectCode::queue_full && code != RejectCode::token_queue_full &&
           code != RejectCode::shutting_down && code != RejectCode::storage_failed;
}

}  // namespace

void add_producer(std::vector<LogField>& fields, const std::optional<Producer>& by) {
    if (!by) return;
    fields.emplace_back("uid", by->uid);
    fields.emplace_back("pid", by->pid);
    if (!by->unit.empty()) fields.emplace_back("unit", by->unit);
}

void RefusalLog::note(const Rejection& rejection, std::string_view source,
                      const std::optional<Producer>& by, MonoTime now) {
    if (log_.enabled(ev::ingest_rejected.severity)) write_debug(rejection, source, by);
    if (!is_of_producer(rejection.code)) return;
    Run& of = run(by, rejection.code, now);
    if (of.untold == 0) of.since = now;
    ++of.untold;
    of.last = now;
    if (of.untold >= many || now - of.since >= going_on) write_sum(rejection, by, of, now);
}

RefusalLog::Run& RefusalLog::run(const std::optional<Producer>& by, RejectCode code, MonoTime now) {
    Key key{by ? std::to_string(by->uid) : std::string(), by ? by->unit : std::string(), code};
    auto found = runs_.find(key);
    if (found == runs_.end()) {
        std::erase_if(runs_, [now](const auto& item) { return now - item.second.last >= quiet; });
        if (runs_.size() >= max_runs) key = Key{"other", {}, code};
        found = runs_.try_emplace(std::move(key)).first;
    }
    if (now - found->second.last >= quiet) found->second = Run();
    return found->second;
}

void RefusalLog::write_debug(const Rejection& rejection, std::string_view source,
                             const std::optional<Producer>& by) {
    std::vector<LogField> fields{
        {"source", source}, {"code", to_string(rejection.code)}, {"reason", rejection.message}};
    add_producer(fields, by);
    log_.write(ev::ingest_rejected, fields);
}

void RefusalLog::write_sum(const Rejection& rejection, const std::optional<Producer>& by, Run& run,
                           MonoTime now) {
    std::vector<LogField> fields{
        {"code", to_string(rejection.code)}, {"count", run.untold}, {"reason", rejection.message}};
    add_producer(fields, by);
    log_.write(ev::ingest_refusing, fields);
    run.untold = 0;
    run.since = now;
}

}  // namespace flowrelay::core
