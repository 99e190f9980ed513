#include "server.hpp"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "flowrelay/base/number.hpp"
#include "service.hpp"
#include "session.hpp"

namespace flowrelay::devserver {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// Parses "127.0.0.1:8080" or "[::1]:0".
tcp::endpoint parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon != std::string_view::npos) {
        std::string_view host = text.substr(0, colon);
        const std::string_view port = text.substr(colon + 1);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        error_code ec;
        const auto address = asio::ip::make_address(std::string(host), ec);
        const auto number = parse_number<std::uint16_t>(port);
        if (!ec && number) return {address, *number};
    }
    throw std::invalid_argument(
        fmt::format("--listen {}: give an address and a port, as in 127.0.0.1:8080", text));
}

std::optional<asio::ssl::context> load_tls(const Options& options) {
    if (options.tls_cert.empty()) return std::nullopt;
    asio::ssl::context context(asio::ssl::context::tls_server);
    error_code ec;
    context.use_certificate_chain_file(options.tls_cert, ec);
    if (ec) {
        throw std::runtime_error(
            fmt::format("cannot use the certificate {}: {}", options.tls_cert, ec.message()));
    }
    context.use_private_key_file(options.tls_key, asio::ssl::context::pem, ec);
    if (ec) {
        throw std::runtime_error(
            fmt::format("cannot use the private key {}: {}", options.tls_key, ec.message()));
    }
    return context;
}

tcp::acceptor listen(asio::io_context& io, const Options& options) {
    const tcp::endpoint endpoint = parse_endpoint(options.listen);
    try {
        return tcp::acceptor(io, endpoint);  // with SO_REUSEADDR
    } catch (const boost::system::system_error& error) {
        throw std::runtime_error(
            fmt::format("cannot listen on {}: {}", options.listen, error.code().message()));
    }
}

/// Writes a temporary file and renames it, so that readers never see a partial file.
void write_port_file(const std::string& path, std::uint16_t port) {
    const std::string temporary = path + ".new";
    {
        std::ofstream file(temporary);
        file << port << '\n';
        file.close();
        if (!file) throw std::runtime_error(fmt::format("cannot write {}", temporary));
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
        throw std::runtime_error(fmt::format("cannot rename {} to {}", temporary, path));
    }
}

/// An exception that leaves a task ends the server.
void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor, asio::ssl::context* tls,
                                 Service& service) {
    constexpr auto token = asio::as_tuple(asio::deferred);
    const auto io = acceptor.get_executor();
    asio::steady_timer timer(io);
    for (;;) {
        auto [ec, socket] = co_await acceptor.async_accept(token);
        if (ec) {
            // Probably out of file descriptors: wait for connections to end.
            timer.expires_after(std::chrono::milliseconds(100));
            co_await timer.async_wait(token);
            continue;
        }
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        if (tls) {
            asio::co_spawn(io, serve_tls(std::move(socket), *tls, service), rethrow);
        } else {
            asio::co_spawn(io, serve(std::move(socket), service), rethrow);
        }
    }
}

}  // namespace

void run(const Options& options) {
    // Created before the io_context, because its destructor destroys connections that use them.
    Service service(options);
    std::optional<asio::ssl::context> tls = load_tls(options);
    asio::io_context io(1);
    tcp::acceptor acceptor = listen(io, options);
    asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&io](const error_code& ec, int) {
        if (!ec) io.stop();
    });
    asio::co_spawn(io, accept_all(acceptor, tls ? &*tls : nullptr, service), rethrow);
    const tcp::endpoint local = acceptor.local_endpoint();
    if (!options.port_file.empty()) write_port_file(options.port_file, local.port());
    const std::string address = local.address().to_string();
    const std::string host = local.address().is_v6() ? fmt::format("[{}]", address) : address;
    fmt::print("listening on {}://{}:{}\n", tls ? "https" : "http", host, local.port());
    std::fflush(stdout);
    io.run();
}

}  // namespace flowrelay::devserver
