package main

import "strings"

// advice is what a finding means, and what to do. report fills in {url}, {region} and
// {regions}; of fills in {}.
type advice struct{ kind, means, do string }

const (
	wrong   = "wrong"   // it keeps the deployment from working
	warning = "warning" // it works, and not well
)

// of puts what was found into the advice.
func (a advice) of(found string) advice {
	fill := strings.NewReplacer("{}", found)
	return advice{a.kind, fill.Replace(a.means), fill.Replace(a.do)}
}

// What to do about several findings.
const (
	deployThis     = "Check out the commit that is deployed, or deploy this one; if it stays, look for a proxy in front of Vercel that changes answers"
	cacheLess      = "Switch off caching of /api in what stands in front of Vercel (a rule such as 'cache everything'): Vercel's CDN keeps what the functions tell it to, and nothing else"
	functionsLog   = "Look at the functions' log: vercel logs {url}; with DATABASE_URL set, make smoke looks at the database itself"
	compareKeys    = "Compare CLERK_SECRET_KEY in Vercel with the instance of the publishable key; the log says more: vercel logs {url}"
	takeAnother    = "Take one from the page of this deployment, and run this at once: in the browser's console, await Clerk.session.getToken()"
	correctAddress = "Correct DATABASE_URL here, and in Vercel if it is the same there; deploy again"
	readwriter     = "Give the functions a password with the role readwriter (SELECT, INSERT, UPDATE, DELETE on this database); make push alone needs more"
)

var (
	// What answers in the deployment's place.

	noAnswer = advice{wrong, "The deployment does not answer",
		"Compare the URL with the one in Vercel's dashboard; look at the domain's DNS records there"}
	protected = advice{wrong, "Vercel's deployment protection answers, and not the deployment",
		"Set VERCEL_AUTOMATION_BYPASS_SECRET to the secret of Project Settings, Deployment Protection, Protection Bypass for Automation; or check the production domain, which is not protected unless you say so"}
	otherSecret = advice{wrong, "Vercel's deployment protection answers, and not the deployment",
		"VERCEL_AUTOMATION_BYPASS_SECRET is not this project's secret: copy it again, that of Project Settings, Deployment Protection, Protection Bypass for Automation"}
	firewall = advice{wrong, "Vercel's firewall answers, and not the deployment",
		"Look at the project's Firewall in Vercel's dashboard; VERCEL_AUTOMATION_BYPASS_SECRET passes it too"}
	leadsOn = advice{wrong, "The domain leads on to {}",
		"Check that one: make smoke URL={}"}
	vercelFails = advice{wrong, "Vercel answers {}",
		"Compare the URL with the deployments in Vercel's dashboard, and look at that one's build"}
	notVercel = advice{wrong, "It is not Vercel that answers",
		"Point the domain's DNS records at Vercel, as its dashboard says under Domains"}

	// The page, and its Clerk instance.

	otherPage = advice{wrong, "The page is of another deployment than this tree: either this is not the commit that is deployed, or a cache in front keeps an old page beside new functions",
		"Check out the deployed commit and run this again; if it stays, empty the cache of what stands in front of Vercel, and deploy again"}
	noKey = advice{wrong, "The page has no publishable key of Clerk's, and nobody can sign in",
		"Set CLERK_PUBLISHABLE_KEY in Vercel for this environment; its buildCommand must be vercel.json's, sh lib/page/build.sh; deploy again"}
	liveOnVercel = advice{wrong, "Clerk's production keys do not work on *.vercel.app, and nobody can sign in here",
		"Open production at your own domain; give Preview a development instance's keys (pk_test_, sk_test_) and deploy again"}
	testOnDomain = advice{warning, "A development instance of Clerk has 100 users at most, and shows a banner",
		"Make a production instance in Clerk's dashboard for this domain, set its keys (pk_live_, sk_live_) for Production, and deploy again"}
	noClerk = advice{wrong, "Clerk does not answer where the publishable key or CLERK_PROXY_URL says, and nobody can sign in",
		"Copy the key again from Clerk's dashboard, API keys; for a production instance set the DNS records of its page Domains; where CLERK_PROXY_URL is set, look at that proxy"}
	otherDomain = advice{wrong, "Browsers refuse ClerkJS, and nobody can sign in",
		"Add this domain to the instance in Clerk's dashboard, Domains"}
	notClerk = advice{wrong, "It is not Clerk that answers at the host in the publishable key",
		"Copy the key again from Clerk's dashboard, API keys"}

	// The functions, and what stands in front of them.

	wrongVariable = advice{wrong, "{}",
		"Do that, or correct the variable in Vercel (Project Settings, Environment Variables, this environment) and deploy again: it takes effect with the next deployment"}
	processEnded = advice{wrong, "Vercel says {}: the function's process ended or took too long",
		functionsLog}
	statementFails = advice{wrong, "A statement does not fit the database's table, or the functions have a mistake",
		functionsLog}
	needsUnanswered = advice{wrong, "The functions work, and what they need does not answer",
		functionsLog}
	otherFunctions = advice{wrong, "The functions or their routes are not this tree's",
		deployThis}
	otherAPI = advice{wrong, "The functions do not answer as public/openapi.json of this tree says",
		deployThis}
	otherHeaders = advice{wrong, "Headers are not those of vercel.json",
		deployThis}
	rewritten = advice{wrong, "Answers do not come as the functions send them",
		deployThis}
	changedETag = advice{warning, "What has not changed is loaded anew each time",
		"Nothing, if a post was published just now; else look for a proxy in front that changes ETag"}
	keepsTooMuch = advice{wrong, "A cache in front of the functions keeps what it must not: answers to a session, or failures",
		cacheLess}
	keptByReaders = advice{wrong, "Browsers or proxies keep posts that are gone",
		"Look for a proxy in front that changes Cache-Control"}
	keptTooLong = advice{wrong, "A cache keeps posts for longer than the functions say",
		cacheLess}
	keptByNobody = advice{warning, "Vercel's CDN does not keep reads, and each costs a call and a statement",
		"Look for a proxy in front, or a setting that keeps the CDN from caching this domain"}
	otherRegion = advice{wrong, "The functions run in {region}, where vercel.json says {regions}",
		"Deploy the vercel.json that names the region next to the database; look at the project's settings, Functions"}
	farAway = advice{warning, "The database is far from {region}, where the functions run, and every call pays for it",
		"Set regions in vercel.json to the region next to the database, and deploy again"}
	noSystemVariables = advice{wrong, "The functions have no VERCEL_PROJECT_PRODUCTION_URL: system environment variables are off, so that the build cannot tell a preview from production, and a post has another id in the feed of each domain",
		"Switch on 'Automatically expose System Environment Variables' in Project Settings, Environment Variables, and deploy again"}
	noAuthors = advice{warning, "The functions do not find the authors at Clerk: CLERK_SECRET_KEY is missing or another instance's, or these people's accounts are gone",
		compareKeys}

	// A post by a signed-in person.

	noTestUser = advice{wrong, "There is no test user to sign in",
		"Correct CLERK_SECRET_KEY here, or set TOKEN in its place"}
	noToken = advice{wrong, "It is no session token of Clerk's",
		takeAnother}
	endedToken = advice{wrong, "A session token lives a minute",
		takeAnother}
	otherToken = advice{wrong, "The token is another Clerk instance's",
		takeAnother}
	noSession = advice{wrong, "There is no session to go on with",
		"Look at Clerk's status page, and run this again"}
	refusesSession = advice{wrong, "The functions refuse a session of the page's own Clerk instance",
		"Give page and functions the keys of one instance: CLERK_PUBLISHABLE_KEY and CLERK_PROXY_URL, CLERK_SECRET_KEY, CLERK_JWT_KEY; set them for this environment and deploy again. The log has the reason: vercel logs {url}"}
	noAuthor = advice{wrong, "The functions do not find the author at Clerk",
		compareKeys}
	publishingFails = advice{wrong, "Publishing does not work as promised",
		"Look at the log: vercel logs {url}"}
	postStays = advice{wrong, "The test post is still there",
		"Delete it on the page"}
	userStays = advice{wrong, "It stays in the development instance",
		"Delete it in Clerk's dashboard, Users"}

	// The database.

	wrongAddress = advice{wrong, "{}",
		correctAddress}
	unreachable = advice{wrong, "The database does not answer from here",
		"Look at its status page, and at the host and port in DATABASE_URL"}
	refusesPassword = advice{wrong, "The database refuses DATABASE_URL",
		correctAddress}
	noTLS = advice{wrong, "The functions send a password over verified TLS only, and refuse this server",
		"Use a host with TLS and a certificate of a public authority in its name: PlanetScale's have both"}
	unreadable = advice{wrong, "{}",
		"Give the user of DATABASE_URL the right to read them"}
	drift = advice{wrong, "The database is not as schema.sql says",
		"Run make push with a password of the role admin, before the functions that need it are deployed"}
	mayDoMore = advice{wrong, "The user of DATABASE_URL may do more than the functions need, and so may whoever gets hold of them",
		readwriter}
	unknownRights = advice{warning, "It is not known what the user of DATABASE_URL may do",
		readwriter}
)
