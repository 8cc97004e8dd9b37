package fakeclerk

import "net/http"

// getEnvironment is what ClerkJS's components take their shape from: people sign
// up with a user name and a password. What is left out has ClerkJS's own
// default, which is off. (E-mail addresses do work as identifiers; showing them
// in the forms would ask for a verification that nobody can send.)
func (c *Clerk) getEnvironment(http.ResponseWriter, *http.Request) (any, *apiError) {
	attribute := func(enabled, required, identifier bool) map[string]any {
		return map[string]any{
			"enabled": enabled, "required": required, "used_for_first_factor": identifier,
			"first_factors": []any{}, "verifications": []any{}, "verify_at_sign_up": false,
			"used_for_second_factor": false, "second_factors": []any{},
		}
	}
	off := attribute(false, false, false)
	home := c.origin + "/"
	return map[string]any{
		"auth_config": map[string]any{"object": "auth_config", "id": "aconf_local", "single_session_mode": true},
		"display_config": map[string]any{
			"object": "display_config", "id": "display_config_local",
			"application_name": "Warble (local)", "instance_environment_type": "development",
			"branded": true, "show_devmode_warning": true, "preferred_sign_in_strategy": "password",
			"home_url": home, "sign_in_url": home, "sign_up_url": home, "user_profile_url": home,
			"after_sign_in_url": home, "after_sign_up_url": home,
			"after_sign_out_all_url": home, "after_sign_out_one_url": home, "after_switch_session_url": home,
		},
		"user_settings": map[string]any{
			"attributes": map[string]any{
				"username": attribute(true, true, true), "password": attribute(true, true, false),
				"first_name": attribute(true, true, false), "last_name": attribute(true, true, false), // shown only when required
				"email_address": off, "phone_number": off, "web3_wallet": off,
				"authenticator_app": off, "backup_code": off, "passkey": off,
			},
			"actions":           map[string]any{"delete_self": true, "create_organization": false},
			"sign_up":           map[string]any{"mode": "public", "progressive": true},
			"password_settings": map[string]any{"min_length": minPassword, "max_length": maxPassword},
			"username_settings": map[string]any{"min_length": minUsername, "max_length": maxUsername},
		},
	}, nil
}
