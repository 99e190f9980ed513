// Bytes on the control socket from a user who may only look: whatever they are, nothing changes,
// and each request gets an answer.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/runtime/spawn.hpp"
#include "flowrelay/runtime/storage_work.hpp"
#include "runtime/control_routes.hpp"
#include "support/recording_log.hpp"
#include "unit/runtime/memory_stores.hpp"

namespace {

using namespace flowrelay;
namespace asio = boost::asio;

void require(bool holds) {
    if (!holds) std::abort();
}

/// Carries out what is asked of the disk when it is told to, on the thread that asks.
class Storage final : public runtime::StorageMailbox {
public:
    explicit Storage(std::unique_ptr<storage::Spool> spool) : work_(std::move(spool)) {}

    /// Returns whether there was anything to do.
    bool carry_out() {
        Mail mail = std::exchange(mail_, Mail());
        const bool had_mail = !mail.empty();
        const auto completions = work_.carry_out(std::move(mail));
        for (const auto& done : completions) done();
        return had_mail || !completions.empty();
    }

private:
    void mail_came(bool, bool) override {}

    runtime::StorageWork work_;
};

class Daemon {
public:
    Daemon() {
        context_.log = &log_;
        context_.available_bytes = [] { return std::uint64_t{1} << 30; };
        context_.connections = [] { return std::size_t{0}; };
        context_.ingest_connections = [] { return std::size_t{0}; };
        context_.stopping = [] { return false; };
        context_.reload = [this](const runtime::ReloadRequest& request, runtime::ReloadDone done) {
            if (!request.plan) ++changes_;
            runtime::ReloadResult result;
            result.applied = true;
            done(result);
        };
        const Now now = clock_.now();
        engine_.save(relay_.configure(test::ci_and_web(), now));
        if (auto added = relay_.lifecycle().add_source("extra", Secret("t0ken-of-extra"), now)) {
            engine_.save(std::move(*added));
        }
        for (int number = 0; number < 5; ++number) submit(number);
        settle();
    }

    /// Answers the requests in the bytes, as the socket would, up to the first that is none.
    void serve(std::string_view bytes) {
        http::RequestReader reader{http::RequestLimits{}};
        while (!bytes.empty()) {
            bytes.remove_prefix(reader.put(bytes));
            if (reader.status() != http::ReadStatus::complete) return;
            answer(reader);
            reader.reset();
        }
        log_.lines.clear();
    }

    /// All that a request could have changed.
    std::string state() const {
        std::string text = std::to_string(changes_) + " " + std::to_string(fs_.operations().size());
        for (const auto& [id, token] : relay_.tokens().all()) {
            text += '\n' + token.label() + ' ' + std::string(token.entry.secret.reveal()) + ' ' +
                    std::to_string(static_cast<int>(token.entry.state)) + ' ' +
                    std::to_string(relay_.lifecycle().queued(id));
        }
        return text;
    }

private:
    void submit(int number) {
        auto submission = core::Submission::parse(
            R"({"source":"ci","external_thread_id":"build-1","title":"x","author":{"name":"a"},)"
            R"("uuid":"ci-)" +
            std::to_string(number) + "\"}");
        engine_.submit(
            std::move(*submission), [](const runtime::Answer& given) { require(given.accepted()); },
            clock_.now());
    }

    void settle() {
        while (io_.poll() > 0 || storage_.carry_out()) io_.restart();
        io_.restart();
    }

    void answer(const http::RequestReader& reader) {
        std::optional<http::Response> answer;
        runtime::spawn(io_.get_executor(), answer_into(answer, reader));
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!answer) {
            settle();
            if (!answer) io_.run_one_for(std::chrono::milliseconds(1));
            require(std::chrono::steady_clock::now() < end);
        }
        require(answer->status >= 200 && answer->status < 500);
    }

    asio::awaitable<void> answer_into(std::optional<http::Response>& answer,
                                      const http::RequestReader& reader) {
        runtime::Peer looker;
        looker.uid = 65534;
        looker.pid = 4711;
        auto response = co_await runtime::answer_control(reader, engine_, context_, looker);
        answer = std::move(response);
    }

    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    test::RecordingLog log_;
    test::SimFileSystem fs_{1};
    SystemClock clock_;
    core::Relay relay_{core::RelayOptions(), Salt{}, {}, Random(1), log_};
    Storage storage_{test::open_spool(fs_, log_)};
    runtime::Engine engine_{io_.get_executor(), relay_, storage_, clock_};
    runtime::ControlContext context_;
    int changes_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Daemon daemon;  // what does not change it leaves it as it was
    static const std::string before = daemon.state();
    daemon.serve({reinterpret_cast<const char*>(data), size});
    require(daemon.state() == before);
    return 0;
}
