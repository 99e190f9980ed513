#include "service.hpp"

#include <fmt/format.h>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "api.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::devserver {

namespace json = boost::json;

namespace {

bool is_messages(std::string_view path) noexcept {
    return path == "/messages" || path == "/v1/messages";
}

bool is_sources(std::string_view path) noexcept {
    return path == "/sources" || path == "/v1/sources";
}

}  // namespace

/// How one request to /messages is answered.
struct Service::Plan {
    int status = 0;
    std::string body;
    std::string_view content_type = "application/json";
    std::vector<std::pair<std::string_view, std::string>> fields;
    Action action = Action::respond;
    std::chrono::milliseconds delay{0};
    bool keep_alive = true;
    bool taken = false;
};

/// A parsed body, allocated in this object's memory.
struct Service::Inspected {
    std::array<unsigned char, 8192> buffer;
    json::monotonic_resource memory{buffer.data(), buffer.size()};
    json::value message = json::value(json::storage_ptr(&memory));
    error_code ec;
    std::string query_token;

    const json::object* object() const noexcept { return ec ? nullptr : message.if_object(); }

    void parse(const http::Request& request) {
        message = json::parse({request.body.data(), request.body.size()}, ec, &memory);
        if (ec) {  // half of a surrogate pair is JSON (RFC 8259, section 8.2)
            if (const auto mended = core::json::replace_lone_surrogates(request.body)) {
                ec.clear();
                message = json::parse(*mended, ec, &memory);
            }
        }
        if (!request.query.empty())
            query_token = http::query_parameter(request.query, "flow_token");
    }
    std::string_view member(std::string_view name) const {
        return object() ? string_member(*object(), name) : std::string_view();
    }
};

Service::Service(const Options& options)
    : options_(options), inbox_(options.max_received), oauth_(options), flows_(options, oauth_) {
    if (!options_.journal.empty()) journal_.emplace(options_.journal);
    http::Response usual;
    usual.status = options_.status;
    http::append_response(usual_answer_, usual);
}

std::uint64_t Service::connection_opened() noexcept {
    ++open_connections_;
    return ++connections_;
}

Reply Service::handle(const http::RequestReader& reader, std::uint64_t connection,
                      std::string& out) {
    const http::Request& request = reader.request();
    if (request.path.starts_with("/_dev/")) {
        control(request, out);
        return {Action::respond, std::chrono::milliseconds(0), request.keep_alive};
    }
    if (is_set_up(request)) return set_up(reader, out);
    Plan plan;
    if (is_messages(request.path)) {
        plan = plan_for(reader);
        if (!answers(plan.action)) plan.status = 0;
        record(reader, connection, plan);
    } else if (is_sources(request.path)) {
        plan = plan_for_source(request);
        if (!answers(plan.action)) plan.status = 0;
        if (options_.show) show_update(request, plan);
    } else {
        plan.status = 404;
        plan.body = error_body(
            "not found: there are /messages, /sources (both with or without /v1 "
            "in front), /user, /flows, /oauth/ and /_dev/");
    }
    ++by_status_[static_cast<std::size_t>(plan.status)];
    if (answers(plan.action)) respond(request, plan, out);
    return {plan.action, plan.delay, plan.keep_alive && request.keep_alive};
}

bool Service::is_set_up(const http::Request& request) {
    return OAuth::is_path(request.path) || Flows::is_path(request.path) ||
           (is_sources(request.path) && request.method == "GET");
}

/// Answers requests for authorization, flows and their sources, unless a rule for the path applies.
Reply Service::set_up(const http::RequestReader& reader, std::string& out) {
    const http::Request& request = reader.request();
    const Rule* rule = rules_.take(request.method, request.path, {}, {});
    const Plan plan = rule ? plan_of(*rule) : Plan();
    const bool is_usual = !rule || plan.action == Action::accept_then_close;
    http::Response response;
    if (is_usual) {
        response = OAuth::is_path(request.path) ? oauth_.answer(reader) : flows_.answer(reader);
    } else {
        response.status = plan.status;
        response.content_type = plan.content_type;
        response.fields = plan.fields;
        response.body = plan.body;
    }
    if (answers(plan.action)) {
        ++by_status_[static_cast<std::size_t>(response.status)];
        send(request, std::move(response), out);
    } else {
        ++by_status_[0];
    }
    return {plan.action, plan.delay, plan.keep_alive && request.keep_alive};
}

Service::Plan Service::plan_for(const http::RequestReader& reader) {
    const http::Request& request = reader.request();
    if (request.method != "POST") return only("POST");
    Plan plan;
    plan.delay = options_.delay;
    if (options_.fast && !rules_.look_into_messages()) {
        const Rule* rule =
            rules_.empty() ? nullptr : rules_.take(request.method, request.path, {}, {});
        if (rule) return plan_of(*rule);
        plan.status = options_.status;
        plan.taken = is_success(plan.status);
        return plan;
    }
    Inspected inspected;
    inspected.parse(request);
    const std::string_view in_body = inspected.member("flow_token");
    const Rule* rule =
        rules_.take(request.method, request.path, in_body.empty() ? inspected.query_token : in_body,
                    inspected.member("external_thread_id"));
    if (rule) return plan_of(*rule);
    if (flows_.is_removed(in_body.empty() ? inspected.query_token : in_body)) {
        plan.status = 410;
        plan.body = error_body("this source was removed");
        return plan;
    }
    return judge(reader, inspected);
}

Service::Plan Service::plan_for_source(const http::Request& request) {
    if (request.method != "PUT") return only("PUT");
    Plan plan;
    plan.delay = options_.delay;
    Inspected inspected;
    inspected.parse(request);
    if (const Rule* rule =
            rules_.take(request.method, request.path, inspected.member("flow_token"), {})) {
        plan = plan_of(*rule);
        if (plan.taken && inspected.object() && Sources::validate(*inspected.object()).empty()) {
            sources_.update(*inspected.object());
        }
        return plan;
    }
    if (request.content_type != "application/json") {
        plan.status = 415;
        plan.body = error_body("the Content-Type must be application/json");
    } else if (!inspected.object()) {
        plan.status = 400;
        plan.body = error_body("the body is not a JSON object");
    } else if (json::object errors = Sources::validate(*inspected.object()); !errors.empty()) {
        plan.status = 400;
        plan.body = validation_error(std::move(errors));
    } else {
        sources_.update(*inspected.object());
        plan.status = 200;
        plan.body = "{}";
    }
    return plan;
}

void Service::show_update(const http::Request& request, const Plan& plan) const {
    error_code ec;
    const json::value update = json::parse({request.body.data(), request.body.size()}, ec);
    const std::string text =
        fmt::format("\n{} {} -> {}\n{}\n", request.method, request.path, plan.status,
                    ec ? std::string("(no JSON)") : readable_message(update));
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

Service::Plan Service::only(std::string_view method) const {
    Plan plan;
    plan.delay = options_.delay;
    plan.status = 405;
    plan.fields.emplace_back("Allow", method);
    plan.body = error_body(fmt::format("only {} is allowed here", method));
    return plan;
}

Service::Plan Service::plan_of(const Rule& rule) const {
    Plan plan;
    plan.status = rule.status.value_or(options_.status);
    plan.body = rule.body;
    plan.content_type = rule.content_type;
    plan.fields.assign(rule.fields.begin(), rule.fields.end());
    plan.action = rule.action;
    plan.delay = rule.delay + options_.delay;
    plan.keep_alive = rule.keep_alive;
    plan.taken = rule.action == Action::accept_then_close ||
                 (answers(rule.action) && is_success(plan.status));
    return plan;
}

Service::Plan Service::judge(const http::RequestReader& reader, const Inspected& inspected) const {
    const http::Request& request = reader.request();
    Plan plan;
    plan.delay = options_.delay;
    plan.status = options_.status;
    plan.taken = is_success(plan.status);
    if (options_.fast) return plan;
    const auto refuse_with = [&](int status, std::string body) {
        plan.status = status;
        plan.body = std::move(body);
        plan.taken = false;
    };
    if (request.content_type != "application/json") {
        refuse_with(415, error_body("the Content-Type must be application/json"));
    } else if (inspected.ec) {
        refuse_with(400, error_body("the body is not JSON: " + inspected.ec.message()));
    } else if (!inspected.object()) {
        refuse_with(400, error_body("the body is not a JSON object"));
    } else {
        json::object errors = validate(*inspected.object(), inspected.query_token);
        if (!errors.empty()) {
            refuse_with(400, validation_error(std::move(errors)));
        } else if (plan.status == 202 && !reader.field("X-flowdock-wait-for-message").empty()) {
            plan.status = 200;
            plan.body = stored_message(*inspected.object(), inbox_.count() + 1);
        }
    }
    return plan;
}

void Service::record(const http::RequestReader& reader, std::uint64_t connection,
                     const Plan& plan) {
    const http::Request& request = reader.request();
    Received& received = inbox_.add();
    if (options_.max_received == 0 && !journal_ && !options_.show) return;
    received.at = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
    received.connection = connection;
    received.status = plan.status;
    received.taken = plan.taken;
    received.method = request.method;
    received.path = request.path;
    received.set_fields(reader.fields());
    received.body = request.body;
    if (journal_) {
        line_.clear();
        append_json(line_, received);
        line_ += '\n';
        journal_->append(line_);
    }
    if (options_.show) show(received);
}

void Service::show(const Received& received) const {
    const std::string answer =
        received.status == 0 ? "no answer" : fmt::format("{}", received.status);
    std::string text = fmt::format("\n{} {} {} -> {}\n", format_time(received.at), received.method,
                                   received.path, answer);
    error_code ec;
    const json::value message = json::parse(received.body, ec);
    if (!ec) {
        text += readable_message(message) + '\n';
    } else if (!received.body.empty()) {
        // Do not show it: it may contain a token at an unknown place.
        text += fmt::format("({} bytes that are not JSON)\n", received.body.size());
    }
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void Service::respond(const http::Request& request, const Plan& plan, std::string& out) const {
    const bool keep_alive = plan.keep_alive && request.keep_alive;
    if (plan.status == options_.status && plan.body.empty() && plan.fields.empty() && keep_alive &&
        request.minor_version == 1) {
        out += usual_answer_;
        return;
    }
    http::Response response;
    response.status = plan.status;
    response.content_type = plan.content_type;
    response.fields = plan.fields;
    response.body = plan.body;
    response.keep_alive = keep_alive;
    response.head_only = request.method == "HEAD";
    response.minor_version = request.minor_version;
    http::append_response(out, response);
}

void Service::refuse(http::ReadStatus status, std::string& out) {
    http::Response response;
    response.keep_alive = false;
    switch (status) {
        case http::ReadStatus::head_too_large:
            response.status = 431;
            break;
        case http::ReadStatus::body_too_large:
            response.status = 413;
            break;
        default:
            response.status = 400;
    }
    response.body = error_body("the request is not valid HTTP, or too large");
    ++by_status_[static_cast<std::size_t>(response.status)];
    http::append_response(out, response);
}

}  // namespace flowrelay::devserver
