// flowrelay-devserver: a stand-in for the API in demonstrations, tests and benchmarks.
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <string>

#include "options.hpp"
#include "server.hpp"

namespace {

using flowrelay::devserver::Options;

void describe(CLI::App& app, Options& options, std::uint64_t& delay_ms,
              std::uint64_t& code_lifetime_ms) {
    app.add_option("--listen", options.listen, "Address and port; port 0 takes a free one")
        ->capture_default_str();
    auto* cert =
        app.add_option("--tls-cert", options.tls_cert, "Certificate chain (PEM): serve HTTPS");
    auto* key = app.add_option("--tls-key", options.tls_key, "Its private key (PEM)");
    cert->needs(key);
    key->needs(cert);
    app.add_option("--port-file", options.port_file, "Write the port here when ready");
    app.add_option("--journal", options.journal,
                   "Append each request to /messages here, one JSON object a line");
    app.add_flag("--show", options.show, "Print each message, its token masked");
    app.add_option("--status", options.status, "Answer valid messages with this status")
        ->check(CLI::Range(200, 599))
        ->capture_default_str();
    using Unit = CLI::AsNumberWithUnit;
    const Unit time(std::map<std::string, std::uint64_t>{{"ms", 1}, {"s", 1000}},
                    static_cast<Unit::Options>(Unit::CASE_SENSITIVE | Unit::UNIT_REQUIRED), "TIME");
    app.add_option("--delay", delay_ms, "Wait before each answer from /messages: 250ms, 2s")
        ->transform(time);
    app.add_option("--redirect-uri", options.redirect_uris,
                   "A callback URI of the application; may be there several times")
        ->capture_default_str();
    app.add_option("--code-lifetime", code_lifetime_ms, "How long an authorization code lasts")
        ->transform(time);
    app.add_option("--max-received", options.max_received, "Requests kept for /_dev/received")
        ->capture_default_str();
    app.add_flag("--fast", options.fast, "Do not validate the messages");
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    std::uint64_t delay_ms = 0;
    std::uint64_t code_lifetime_ms = 600'000;
    CLI::App app("Stands for the API in demonstrations, tests and benchmarks.",
                 "flowrelay-devserver");
    try {
        describe(app, options, delay_ms, code_lifetime_ms);
        app.parse(argc, argv);
        options.delay = std::chrono::milliseconds(delay_ms);
        options.code_lifetime = std::chrono::milliseconds(code_lifetime_ms);
        flowrelay::devserver::run(options);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? EX_OK : EX_USAGE;
    } catch (const std::exception& error) {
        std::cerr << "flowrelay-devserver: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
    return EX_OK;
}
