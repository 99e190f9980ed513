# An authorization server that nobody here wrote, Doorkeeper (Debian: ruby-doorkeeper), and behind it as
# much of the API as connecting a source takes. Arguments: a directory for the database, then the
# callback URIs. Prints the port, the id and the secret of the application.
require "action_controller/railtie"
require "active_record"
require "doorkeeper"
require "json"
require "webrick"
require "rack/handler/webrick"

directory, *redirect_uris = ARGV
# Rails and its neighbours have to find the database before they are initialized.
ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: "#{directory}/doorkeeper.db")
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:oauth_applications) do |t|
    t.string :name, :uid, :secret
    t.text :redirect_uri
    t.string :scopes, default: ""
    t.boolean :confidential, default: true
    t.timestamps
  end
  create_table(:oauth_access_grants) do |t|
    t.integer :resource_owner_id, :application_id, :expires_in
    t.string :token, :code_challenge, :code_challenge_method
    t.text :redirect_uri
    t.string :scopes, default: ""
    t.datetime :created_at, :revoked_at
  end
  create_table(:oauth_access_tokens) do |t|
    t.integer :resource_owner_id, :application_id, :expires_in
    t.string :token, :refresh_token
    t.string :previous_refresh_token, default: ""
    t.string :scopes
    t.datetime :created_at, :revoked_at
  end
end

class Server < Rails::Application
  config.secret_key_base = "only for a test on loopback"
  config.eager_load = false
  config.hosts.clear
  config.logger = Logger.new($stderr, level: Logger::WARN)
end

Person = Struct.new(:id)
Doorkeeper.configure do
  orm :active_record
  resource_owner_authenticator { Person.new(7) }
  optional_scopes :flow, :integration, :profile
  force_ssl_in_redirect_uri false
end

# The flow example/main.
class ApiController < ActionController::API
  before_action(only: :user) { doorkeeper_authorize! :profile }
  before_action(only: %i[flow sources source]) { doorkeeper_authorize! :flow }
  before_action(only: %i[add remove]) { doorkeeper_authorize! :integration }
  SOURCES = {}

  def user = render(json: { name: "Person #{doorkeeper_token.resource_owner_id}" })

  def flow
    url = "#{request.base_url}/flows/example/main"
    render json: { id: "example:main", name: "Main", url: url, joined: true, disabled: false,
                   links: { sources: { url: "#{url}/sources", methods: %w[GET POST] } } }
  end

  def sources = render(json: SOURCES.values)

  def source
    found = SOURCES[params[:id].to_i]
    found ? render(json: found) : head(404)
  end

  def add
    id = SOURCES.size + 1
    SOURCES[id] = { id: id, name: params[:name] }
    render status: 201, json: SOURCES[id].merge(
      flow_token: SecureRandom.hex(16),
      application: { id: "1", name: doorkeeper_token.application.name }
    )
  end

  def remove
    SOURCES.delete(params[:id].to_i)
    head 204
  end
end

Server.initialize!
Server.routes.draw do
  use_doorkeeper { skip_controllers :applications, :authorized_applications }
  get "/user", to: "api#user"
  get "/flows/example/main", to: "api#flow"
  get "/flows/example/main/sources", to: "api#sources"
  post "/flows/example/main/sources", to: "api#add"
  get "/flows/example/main/sources/:id", to: "api#source"
  delete "/flows/example/main/sources/:id", to: "api#remove"
end

application = Doorkeeper::Application.create!(name: "relay", redirect_uri: redirect_uris.join("\n"),
                                              scopes: "flow integration profile")
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: 0, AccessLog: [],
                                 Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN))
server.mount "/", Rack::Handler::WEBrick, Rails.application
trap("TERM") { server.shutdown }
$stdout.puts JSON.generate(port: server.listeners[0].addr[1], id: application.uid,
                           secret: application.plaintext_secret)
$stdout.flush
server.start
