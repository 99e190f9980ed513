// Requests to the control socket as any user, with a real engine on a simulated disk.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/runtime/spawn.hpp"
#include "flowrelay/runtime/storage_thread.hpp"
#include "memory_stores.hpp"
#include "runtime/control_routes.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::runtime {

class ControlFixture : public testing::Test {
protected:
    ControlFixture() {
        context_.log = &log_;
        context_.available_bytes = [] { return std::uint64_t{1} << 30; };
        context_.connections = [] { return std::size_t{0}; };
        context_.ingest_connections = [] { return std::size_t{0}; };
        context_.stopping = [] { return false; };
        context_.reload = [this](const ReloadRequest& request, ReloadDone done) {
            if (!request.plan) ++reloads_;
            ReloadResult result;
            result.applied = true;
            storage_.barrier([done = std::move(done), result] { done(result); });
        };
        const Now now = clock_.now();
        save(relay_.configure(test::ci_and_web(), now));
        const auto added = relay_.lifecycle().add_source("extra", Secret("t0ken-of-extra"), now);
        if (added.has_value()) save(*added);
        const auto web = relay_.lifecycle().pause_source(*relay_.tokens().find("web"), now);
        if (web.has_value()) save(*web);
    }

    ~ControlFixture() override { storage_.stop(); }

    void save(std::vector<core::TokenEntry> entries) {
        bool done = false;
        for (const auto& entry : entries) relay_.tokens().mark_durable(entry);
        storage_.put_tokens(std::move(entries), [&done](const Result<void>&) { done = true; });
        run_until([&done] { return done; });
    }

    /// Runs completions until the condition holds; fails the test after a time-out.
    template <class Condition>
    void run_until(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition() && std::chrono::steady_clock::now() < deadline) {
            io_.run_one_for(std::chrono::milliseconds(50));
        }
        ASSERT_TRUE(condition()) << "it never came";
    }

    /// Submits an event and returns its seq.
    std::string submit(const std::string& source, const std::string& thread,
                       const std::string& uuid) {
        auto submission = core::Submission::parse(fmt::format(
            R"({{"source":"{}","external_thread_id":"{}","title":"x","author":{{"name":"a"}},"uuid":"{}"}})",
            source, thread, uuid));
        std::optional<Answer> answer;
        engine_.submit(
            std::move(*submission), [&](const Answer& given) { answer = given; }, clock_.now());
        run_until([&] { return answer.has_value(); });
        EXPECT_TRUE(answer && answer->accepted());
        return uuid;
    }

    static std::string request(std::string_view method, std::string_view target,
                               std::string_view body = {}) {
        return fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", method,
                           target, body.size(), body);
    }

    /// Returns the answer to a request given as bytes; nothing if it is not a valid request.
    std::optional<http::Response> ask(const std::string& bytes, const Peer& peer) {
        http::RequestReader reader{http::RequestLimits()};
        reader.put(bytes);
        if (reader.status() != http::ReadStatus::complete) return std::nullopt;
        std::optional<http::Response> answer;
        spawn(io_.get_executor(), answer_into(answer, reader, peer));
        run_until([&] { return answer.has_value(); });
        return answer;
    }

    boost::asio::awaitable<void> answer_into(std::optional<http::Response>& answer,
                                             const http::RequestReader& reader, Peer peer) {
        auto response = co_await answer_control(reader, engine_, context_, peer);
        answer = std::move(response);
    }

    /// A user with read-only access.
    static Peer looker() {
        Peer peer;
        peer.uid = 65534;
        peer.pid = 4711;
        return peer;
    }
    static Peer root() { return Peer(); }

    /// Returns everything that a request could have changed.
    std::string state() {
        std::string text = fmt::format("reloads={} disk={}", reloads_, fs_.operations().size());
        for (const auto& [id, token] : relay_.tokens().all()) {
            text += fmt::format(
                "\n{} {} state={} secret={} queued={} status={}", to_number(id), token.label(),
                static_cast<int>(token.entry.state), token.entry.secret.reveal(),
                relay_.lifecycle().queued(id),
                static_cast<int>(relay_.destination().scheduler().token_status(id).state));
        }
        return text;
    }

    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
        io_.get_executor()};
    test::RecordingLog log_;
    test::SimFileSystem fs_{1};
    SystemClock clock_;
    core::Relay relay_{core::RelayOptions(), Salt{}, {}, Random(1), log_};
    StorageThread storage_{test::open_spool(fs_, log_), io_.get_executor()};
    Engine engine_{io_.get_executor(), relay_, storage_, clock_};
    ControlContext context_;
    int reloads_ = 0;
};

}  // namespace flowrelay::runtime
